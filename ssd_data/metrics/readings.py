"""The ways in which somebody may have written a detection, and how each is read.

A *reading* is what the five numbers of a line are, in order: the score and the four of a box. What
a file is can then be told by what its boxes would hit if read so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import TypeAlias

import numpy as np

from ssd_data.core.boxes import from_xywh, to_xywh
from ssd_data.metrics.lines import CORNERS, SCORE, SIDES
from ssd_data.metrics.scores import Floats, Found, Ints, Truth

CENTRES = ("xcentre", "ycentre", "width", "height")
ORDERS = (("xmin", "xmax", "ymin", "ymax"), ("xmax", "ymax", "xmin", "ymin"))
Reading: TypeAlias = tuple[str, ...]


def numbers_at(found: Found, reading: Reading, which: Ints | slice) -> Floats:
    """The numbers of some rows as they stand in a file that is read so, float64 (N, 5)."""
    return _in_order(found.boxes[which], found.scores[which], reading)


def columns_of(found: Found, reading: Reading) -> Iterator[Floats]:
    """The same, one of the five columns after the other, float64 (N,)."""
    four = [name for name in reading if name != SCORE]
    sides = set(four) == set(SIDES)
    for name in reading:
        if name == SCORE:
            yield found.scores
        elif sides and (at := SIDES.index(name)) > 1:
            yield found.boxes[:, at] - found.boxes[:, at - 2]
        else:
            yield found.boxes[:, four.index(name)]


def true_numbers(truth: Truth, reading: Reading) -> Floats:
    """What the true boxes would be in such a file, with scores of 1; float64 (M, 5)."""
    return _in_order(truth.boxes, np.ones(len(truth.boxes)), reading)


def _in_order(boxes: Floats, scores: Floats, reading: Reading) -> Floats:
    four = [name for name in reading if name != SCORE]
    values = to_xywh(boxes) if set(four) == set(SIDES) else boxes
    order = [four.index(name) if name != SCORE else 4 for name in reading]
    return np.column_stack([values, scores])[:, order]


def boxes_as(numbers: Floats, reading: Reading) -> Floats:
    """Corners, float64 (N, 4), of numbers that are read so.

    >>> boxes_as(np.array([[0.5, 10, 20, 30, 40]]), ("score", "x", "y", "width", "height"))
    array([[10., 20., 40., 60.]])
    """
    kind = kind_of(reading)
    four = numbers[:, [reading.index(name) for name in kind]]
    if kind == CORNERS:
        return four
    if kind == CENTRES:
        four = np.column_stack([four[:, :2] - four[:, 2:] / 2, four[:, 2:]])
    return from_xywh(four)


def kind_of(reading: Reading) -> Reading:
    """The names of the box's four numbers, in their usual order."""
    return next(kind for kind in (CORNERS, SIDES, CENTRES) if set(kind) < set(reading))


def all_readings(expected: Reading) -> list[Reading]:
    """Every order of the columns, with corners, sides or centres; the likelier ones first.

    That is: the kind of box that is expected, then others; the box's numbers in their usual order,
    then in another.
    """
    known: list[Reading] = [CORNERS, SIDES, CENTRES]
    kinds = sorted(known, key=lambda kind: kind != kind_of(expected))
    every: list[Reading] = [one for kind in kinds for one in permutations((*kind, SCORE))]
    every.sort(key=lambda one: (not _is_usual(one), kinds.index(kind_of(one))))
    return [one for one in every if one != expected]


def is_common(reading: Reading, expected: Reading) -> bool:
    """Whether people often write so: the score elsewhere, or corners in a known other order."""
    if kind_of(reading) != kind_of(expected):
        return False
    four = tuple(name for name in reading if name != SCORE)
    return _is_usual(reading) or (reading.index(SCORE) == expected.index(SCORE) and four in ORDERS)


def _is_usual(reading: Sequence[str]) -> bool:
    return tuple(name for name in reading if name != SCORE) in (CORNERS, SIDES, CENTRES)
