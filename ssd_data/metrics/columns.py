"""Files in which the score stands in another column than their format says.

A score column shows itself: its numbers are fractions of 1, and where the score should stand there
are pixels. No detector that is written as it should be looks so, however poor it is.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ssd_data.core.errors import InputError
from ssd_data.metrics.hits import Targets
from ssd_data.metrics.readings import Reading, all_readings, boxes_as, numbers_of, true_numbers
from ssd_data.metrics.scores import Floats, Found, Ints, Truth
from ssd_data.metrics.source import SCORE

ENDS = {"xmax", "ymax", "width", "height"}
LEAST, LEAST_OF_STARTS = (
    3,
    8,
)  # detections; a box may begin at the picture's border, none ends there
FEW = 20  # of some files, fewer do not show it if boxes begin there
LOOKED_AT = 1000
SHARE = 0.25  # of the true boxes has to be hit for a reading to be named


def require_score_column(truth: Truth, found: Found, targets: Targets) -> None:
    """Refuse detections of which all, or all of some files, have the score in a box's column.

    Raises:
        InputError: with the column, and the first line of that kind.
    """
    source = found.source
    if source is None:
        return
    expected = source.numbers
    numbers = numbers_of(found, expected)
    usual = (true_numbers(truth, expected) > 1).mean(axis=0) > 0.5
    for file, least in ((np.zeros_like(source.file), 0), (source.file, FEW)):
        guilty = _columns_of_files(numbers, expected, usual, file)
        column = np.where(guilty.sum(axis=1) == 1, guilty.argmax(axis=1), -1)[file]
        for number in np.unique(column[column >= 0]).tolist():
            rows = np.flatnonzero(column == number)
            ends = expected[number] in ENDS
            if not ends and len(rows) < least:
                continue
            reading = _likeliest(found, numbers, rows, number, targets)
            if ends or reading is not None:
                raise wrong_columns(found, int(rows[0]), number, reading or ())


def _columns_of_files(
    numbers: Floats, expected: Reading, usual: npt.NDArray[np.bool_], file: Ints
) -> npt.NDArray[np.bool_]:
    """bool (files, 5): the columns of a box that look as scores do, where the scores do not.

    Args:
        usual: bool (5,), whether the true boxes are mostly beyond 1 there.
        file: int64 (N,), which file each row of ``numbers`` is of.
    """
    count = np.bincount(file)

    def share(flags: npt.NDArray[np.bool_]) -> Floats:
        return np.bincount(file, flags, len(count)) / np.maximum(count, 1)

    guilty = np.zeros((len(count), 5), np.bool_)
    pixels = share(numbers[:, expected.index(SCORE)] > 1) >= 0.5
    for i in np.flatnonzero(usual):
        column = numbers[:, i]
        guilty[:, i] = pixels & (share((column >= 0) & (column <= 1 + 1e-6)) >= 0.99)
        guilty[:, i] &= share(column % 1 > 0) >= 0.5
        if expected[i] in ENDS:
            guilty[:, i] &= count >= LEAST
        else:  # boxes that were clipped to the picture begin at 0
            guilty[:, i] &= (count >= LEAST_OF_STARTS) & (share(column > 0) >= 0.9)
    return guilty


def _likeliest(
    found: Found, numbers: Floats, rows: Ints, column: int, targets: Targets
) -> Reading | None:
    """The reading with the score in that column whose boxes overlap the true ones most.

    Returns:
        it; without the box's columns (empty) where its boxes hit little; None where they overlap
        no more than as the format says.
    """
    assert found.source is not None
    rows = rows[np.argsort(-numbers[rows, column], kind="stable")[:LOOKED_AT]]
    group = targets.group(found.picture[rows], found.label[rows])
    now = targets.hit_by(found.boxes[rows], group)
    expected = found.source.numbers
    readings = [one for one in all_readings(expected) if one.index(SCORE) == column]
    hits = [targets.hit_by(boxes_as(numbers[rows], one), group) for one in readings]
    best = max(hit.overlap for hit in hits)
    if best <= now.overlap:
        return None
    first = next(i for i, hit in enumerate(hits) if hit.overlap >= 0.9 * best)
    return readings[first] if hits[first].share >= SHARE else ()


def wrong_columns(found: Found, row: int, column: int, reading: Reading) -> InputError:
    """That the score stands in another column, or that the box's columns are in another order.

    Args:
        row: the detection that is shown.
        column: the score's, from 0.
        reading: what the columns are; empty where only the score's is known.
    """
    source = found.source
    assert source is not None
    expected = source.numbers
    numbers = numbers_of(found, expected)[row]
    score = expected.index(SCORE)
    should = f"Expected: {source.line(expected)}"
    if column == score:
        what = f"the columns seem to be in another order: {source.line(reading)}"
        return InputError(what, where=found.place(row), hint=should)
    what = f"the score seems to stand in {source.column(column)}, where {expected[column]} should"
    seen = (
        f"{source.column(column)} is {numbers[column]:.6g} here, "
        f"{source.column(score)}, where the score should stand, {numbers[score]:.6g}"
    )
    if reading:
        seen = f"The columns seem to be: {source.line(reading)}"
    return InputError(what, where=found.place(row), hint=f"{seen[:1].upper()}{seen[1:]}. {should}")
