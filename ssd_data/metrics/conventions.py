"""Whether detections are written as their format says, told by the true boxes that they hit.

A mismatch would be scored as 0.0 elsewhere. A weak detector's file is none: it hits little in every
reading, or as little in other pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain

import numpy as np

from ssd_data.core.errors import InputError
from ssd_data.metrics.classes import require_own_classes
from ssd_data.metrics.columns import looks_like_scores, require_score_column, wrong_columns
from ssd_data.metrics.hits import Hits, Targets, best_rows, inverted
from ssd_data.metrics.lines import SCORE
from ssd_data.metrics.many import parts
from ssd_data.metrics.readings import (
    all_readings,
    boxes_as,
    columns_of,
    is_common,
    numbers_at,
)
from ssd_data.metrics.scores import Floats, Found, Ints, Truth

SAMPLE = 400  # detections that are looked at, those of the highest scores
FOR_CLASSES = 4_000  # the same where the question is what the classes are
UPRIGHT_LEAST, UPRIGHT_SHARE = 30, 0.95
ENOUGH = 2 / 3  # of the possible true boxes: what hits so many is as it should be
FACTOR = 3  # times as many true boxes have to be hit in another reading, or half as many missed
FIT = 1.5  # times as much they have to have in common
SHARE, LEAST = 0.1, 5  # of the possible true boxes, and how many, in a common reading
RARE_SHARE, RARE_LEAST = 0.4, 8  # the same in a rare one: there are hundreds
SURE = 0.5  # of the possible ones a common reading may hit even if it does so in any picture
FRACTIONS = "fractions of the picture, not pixels"
CONVENTIONS: dict[str, Callable[[Floats, Floats], Floats]] = {
    FRACTIONS: lambda b, s: b * s,
    "corners (xmin ymin xmax ymax) where width and height should stand": lambda b, s: np.hstack(
        [b[:, :2], b[:, 2:] - b[:, :2]]
    ),
    "width and height where corners (xmax ymax) should stand": lambda b, s: np.hstack(
        [b[:, :2], b[:, 2:] + b[:, :2]]
    ),
    "in the order y x, not x y": lambda b, s: b[:, [1, 0, 3, 2]],
    "moved by half their size: the centre stands where a corner should": lambda b, s: (
        b - np.tile(b[:, 2:] - b[:, :2], 2) / 2
    ),
    "centre, width and height where corners should stand": lambda b, s: np.hstack(
        [b[:, :2] - b[:, 2:] / 2, b[:, :2] + b[:, 2:] / 2]
    ),
}
SCALES = {
    **{f"pixels of the picture resized to {n}x{n}": n for n in (256, 300, 320, 416, 512, 600)},
    **{f"pixels of the picture resized to {n}x{n}": n for n in (608, 640, 800, 1024)},
    "per cent of the picture, not pixels": 100,
    "thousandths of the picture, not pixels": 1000,
}


@dataclass(frozen=True, slots=True, eq=False)
class _Attempt:
    """Some detections, read in another way.

    Attributes:
        error: (row) → what is to be said if they are meant so.
        rows: int64 (N,), which they are; boxes: float64 (N, 4), theirs as corners; group: int64
            (N,), what they may hit, see :class:`Targets`.
        common: whether people often write so.
    """

    error: Callable[[int], InputError]
    rows: Ints
    boxes: Floats
    group: Ints
    common: bool = False


def require_convention(truth: Truth, found: Found) -> None:
    """Refuse detections that hit little as they are, but far more when read another way.

    The best of them are compared with the true boxes at an overlap of 0.5. A score that stands in a
    box's column, and boxes that are all inverted, are refused whatever they hit.

    Raises:
        InputError: with the convention or the columns that they seem to have, and a line.
    """
    if not len(found.boxes) or not len(truth.boxes):
        return
    if _mostly_within(found.boxes, 2) and np.median(truth.boxes[:, 2:]) > 2:
        raise _wrong(found, FRACTIONS, 0)
    targets = Targets(truth)
    require_score_column(truth, found, targets)
    rows = best_rows(found.scores, SAMPLE)
    now = targets.hit_by(found.boxes[rows], targets.group(found.picture[rows], found.label[rows]))
    if now.share >= ENOUGH:
        return
    attempts = chain(
        _conventions(truth, found, targets, rows),
        _columns(found, targets),
        _scales(truth, found, targets, rows),
        _pictures(truth, found, targets, rows),
    )
    convincing = []
    for attempt in attempts:
        hits = targets.hit_by(attempt.boxes, attempt.group)
        if _is_convincing(attempt, hits, now, targets):
            convincing.append((attempt, hits))
    if convincing:
        # Of those that hit about as much the likelier one, then that which fits best.
        best = max(hits.share for _, hits in convincing)
        ranks = [
            (hits.share >= 0.9 * best, attempt.common, hits.overlap) for attempt, hits in convincing
        ]
        attempt, hits = convincing[ranks.index(max(ranks))]
        raise attempt.error(int(attempt.rows[hits.rows].min()))
    require_own_classes(truth, found, best_rows(found.scores, FOR_CLASSES))
    _require_upright(found)


def _is_convincing(attempt: _Attempt, hits: Hits, now: Hits, targets: Targets) -> bool:
    """Whether the detections are meant so; what is hit by chance is hit in other pictures, too."""
    share, least = (SHARE, LEAST) if attempt.common else (RARE_SHARE, RARE_LEAST)
    if hits.found < max(share * hits.possible, least) or hits.overlap < FIT * now.overlap:
        return False
    if hits.share < FACTOR * now.share and 1 - hits.share > (1 - now.share) / 2:
        return False
    if attempt.common and hits.share >= SURE:
        return True
    return hits.found >= FACTOR * targets.hit_by_chance(attempt.boxes, attempt.group)


def _conventions(truth: Truth, found: Found, targets: Targets, rows: Ints) -> Iterator[_Attempt]:
    boxes, group = found.boxes[rows], targets.group(found.picture[rows], found.label[rows])
    size = truth.sizes[found.picture[rows]][:, [0, 1, 0, 1]].astype(np.float64)
    if not truth.sizes.any():
        size[:] = np.nan
    for name, change in CONVENTIONS.items():
        yield _Attempt(partial(_wrong, found, name), rows, change(boxes, size), group, common=True)


def _columns(found: Found, targets: Targets) -> Iterator[_Attempt]:
    """Every other order of the columns: of each the detections that are the best then."""
    if found.lines is None:
        return
    expected = found.lines.numbers
    best = [best_rows(column, SAMPLE) for column in columns_of(found, expected)]
    known = expected.index(SCORE) if looks_like_scores(found.scores) else -1
    for reading in all_readings(expected):
        score = reading.index(SCORE)
        if known not in (score, -1):
            continue
        rows = best[score]
        boxes = boxes_as(numbers_at(found, expected, rows), reading)
        if inverted(boxes).mean() > 1 - RARE_SHARE:
            continue
        yield _Attempt(
            partial(wrong_columns, found, column=score, reading=reading),
            rows,
            boxes,
            targets.group(found.picture[rows], found.label[rows]),
            common=is_common(reading, expected),
        )


def _scales(truth: Truth, found: Found, targets: Targets, rows: Ints) -> Iterator[_Attempt]:
    boxes, group = found.boxes[rows], targets.group(found.picture[rows], found.label[rows])
    size = truth.sizes[found.picture[rows]][:, [0, 1, 0, 1]]
    for name, side in SCALES.items() if truth.sizes.any() else ():
        yield _Attempt(partial(_wrong, found, name), rows, boxes * size / side, group)


def _pictures(truth: Truth, found: Found, targets: Targets, rows: Ints) -> Iterator[_Attempt]:
    """Pictures that were counted from another number than the truth's."""
    for step in (1, -1):
        picture = found.picture[rows] + step
        inside = (picture >= 0) & (picture < len(truth.pictures))
        group = targets.group(picture[inside], found.label[rows[inside]])
        error = partial(_of_another, truth, found, step)
        yield _Attempt(error, rows[inside], found.boxes[rows[inside]], group)


def _of_another(truth: Truth, found: Found, step: int, row: int) -> InputError:
    here, there = (truth.pictures[found.picture[row] + by] for by in (0, step))
    return InputError(
        f"the detections seem to be of other pictures: those of {here} fit {there}, and so on",
        where=found.place(row),
        hint="Were the pictures counted from 0 there and from 1 here, or the other way round?",
    )


def _wrong(found: Found, name: str, row: int) -> InputError:
    return InputError(
        f"the boxes are in another convention; it seems they are {name}",
        where=found.place(row),
        hint="Read as the format says, they hit far fewer true boxes",
    )


def _mostly_within(boxes: Floats, most: float) -> bool:
    """Whether the 0.99 quantile of the numbers' sizes, of which there are some, is at most that."""
    at = 0.99 * (boxes.size - 1)
    within, below, above = 0, -np.inf, np.inf
    for part in parts(len(boxes)):
        size = np.abs(boxes[part]).ravel()
        small = size <= most
        within += int(small.sum())
        below = max(below, size[small].max(initial=-np.inf))
        above = min(above, size[~small].min(initial=np.inf))
    if within > np.ceil(at) or within <= int(at):
        return within > int(at)
    return bool(below + (above - below) * (at - int(at)) <= most)


def _require_upright(found: Found) -> None:
    """Refuse detections of which nearly all are inverted: they cannot hit anything."""
    count, number = 0, len(found.boxes)
    row = number
    for part in parts(number):
        turned = np.flatnonzero(inverted(found.boxes[part]))
        count += len(turned)
        row = min(row, *(turned[:1] + part.start).tolist(), number)
    if count < max(UPRIGHT_LEAST, UPRIGHT_SHARE * number):
        return
    lines = found.lines
    raise InputError(
        f"{count:,} of {number:,} boxes are inverted: they end before they begin",
        where=found.place(row),
        hint=f"Expected: {lines.line(lines.numbers)}" if lines else "",
    )
