"""What only all rows of a CSV together tell: the unit, what four numbers are, a wrong header."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ssd_data.core.boxes import from_xywh
from ssd_data.core.errors import InputError
from ssd_data.core.structures import Boxes, Flags
from ssd_data.data.formats.csv.table import ONLY_CLASS, CsvTable
from ssd_data.data.formats.fournumbers import (
    MOST_FRACTION,
    Meaning,
    Size,
    fractions_among,
    meaning_of,
    undecided,
)

FEW = 0.05
TINY = "box within 0 to 1 pixel (kept: the others are in pixels)"
TOP_LEFT = "x and y are taken for the top left corner of the box, not its centre: nothing tells"
NO_CLASS = f'no column is known for the class: all boxes are "{ONLY_CLASS}"'
_ORDERS = (("xmin", "ymin", "xmax", "ymax"), ("xmin", "xmax", "ymin", "ymax"))


def corners_of(
    table: CsvTable, meaning: Meaning | None, size_of: Callable[[int], Size | None]
) -> Boxes:
    """The boxes of a table as xmin ymin xmax ymax.

    Args:
        meaning: of four numbers in one cell, where it is stated.
        size_of: a picture's size, from its file.

    Raises:
        InputError: nothing tells what the numbers are, or the columns are exchanged.
    """
    numbers, form = table.numbers, table.layout.form
    if form == "sides":
        return from_xywh(numbers)
    if form == "centre":
        half = numbers[:, 2:] / np.float32(2)
        return np.hstack([numbers[:, :2] - half, numbers[:, :2] + half])
    if form == "four":
        unit = bool(len(numbers)) and bool(np.abs(numbers).max() <= MOST_FRACTION)
        stated = np.stack([table.width, table.height], axis=1).astype(np.int64)
        meaning = meaning or meaning_of(
            numbers,
            table.owner.astype(np.int64),
            np.ones_like(stated) if unit else stated,
            size_of,
            MOST_FRACTION - 1 if unit else 1,
        )
        if meaning is None and len(numbers):
            raise undecided("the four numbers of a box", f"{table.name}:{table.line[0]}", "four")
        return from_xywh(numbers) if meaning == "sides" else numbers
    if form == "corners":
        _require_in_order(table)
    return numbers


def _require_in_order(table: CsvTable) -> None:
    """Refuse a header whose columns are exchanged: then many boxes are inverted, and none are in
    the order that the values have."""
    count, wrong = len(table.numbers), _inverted(table.numbers)
    if count < 4 or wrong <= count * 0.2:
        return
    places = np.argsort(table.layout.box)
    columns = table.numbers[:, places]
    for order in _ORDERS:
        read_so = columns[:, [order.index(side) for side in _ORDERS[0]]]
        if _inverted(read_so) <= count * 0.01:
            raise InputError(
                f"{wrong:,} of {count:,} boxes are inverted as the first line names the columns; "
                f"none would be if they were {', '.join(order)}",
                where=f"{table.name}:1",
                hint="Exchange the columns' names in the first line",
            )


def _inverted(boxes: Boxes) -> int:
    return int(np.count_nonzero((boxes[:, 2] < boxes[:, 0]) | (boxes[:, 3] < boxes[:, 1])))


def are_fractions(table: CsvTable, boxes: Boxes) -> bool:
    """Whether the boxes of a file are fractions of their pictures; then all lie within 0 to 1.

    Where all numbers are 0 and 1 they are left to be pixels, which a build asks about.

    Raises:
        InputError: some are, others are pixels.
    """
    if not len(boxes):
        return False
    inside: Flags = np.all(np.abs(boxes) <= MOST_FRACTION, axis=1)
    if table.layout.form == "vertices" and not inside.all():
        index = int(np.flatnonzero(~inside)[0])
        corners = " ".join(f"{value:g}" for value in boxes[index].tolist())
        raise InputError(
            f"{corners} is no box in fractions of the picture, 0 to 1",
            where=f"{table.name}:{table.line[index]}",
            hint="AutoML's rows have fractions; divide pixels by the picture's width and height",
        )
    if inside.all():
        return not bool(np.isin(boxes, (0, 1)).all())
    odd = fractions_among(boxes)
    count = int(np.count_nonzero(odd))
    first = int(np.flatnonzero(odd)[0]) if count else 0
    if count > 1 and count > FEW * len(boxes):
        raise InputError(
            f"{count:,} of {len(boxes):,} boxes are fractions, the others pixels (the first "
            f"fraction is in line {table.line[first]})",
            where=table.name,
            hint="Bring them to one unit",
        )
    for index in np.flatnonzero(odd).tolist():
        table.notes[int(table.owner[index])].add(TINY, f"{table.name}:{table.line[index]}")
    return False


def whole_file(table: CsvTable) -> Iterator[str]:
    """What was chosen for all rows, since no column says it."""
    if not len(table.numbers):
        return
    if table.layout.label < 0:
        yield NO_CLASS
    from_centre = table.numbers[:, :2] - table.numbers[:, 2:] / 2
    if table.layout.bare and (from_centre >= -0.01).all():
        yield TOP_LEFT
