"""Files in which the score stands in another column than their format says.

A score column shows itself: its numbers are fractions of 1, and where the score should stand there
are pixels. No detector that is written as it should be looks so, however poor it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ssd_data.core.errors import InputError
from ssd_data.metrics.hits import Targets
from ssd_data.metrics.lines import SCORE, Lines
from ssd_data.metrics.many import parts
from ssd_data.metrics.readings import Reading, all_readings, boxes_as, numbers_at, true_numbers
from ssd_data.metrics.scores import Floats, Found, Ints, Truth

ENDS = {"xmax", "ymax", "width", "height"}
LOOKED_AT = 1000
SHARE = 0.25  # of the true boxes has to be hit for a reading to be named


@dataclass(frozen=True, slots=True)
class _Look:
    """How many detections show that the score stands in a column.

    A box may begin within the picture's first pixel, as poor ones do that are cut off there; that
    one ends there is hardly ever seen.

    Attributes:
        all_files: whether all files are looked at as one.
        ends, starts: how many detections such a file has at least.
        all_ends, all_starts: how many such files have together at least.
    """

    ends: int
    starts: int
    all_files: bool = False
    all_ends: float = 0
    all_starts: float = 0


def require_score_column(truth: Truth, found: Found, targets: Targets) -> None:
    """Refuse detections of which all, or all of some files, have the score in a box's column.

    Raises:
        InputError: with the column, and the first line of that kind.
    """
    lines, number = found.lines, len(found.boxes)
    if lines is None:
        return
    usual = (true_numbers(truth, lines.numbers) > 1).mean(axis=0) > 0.5
    some, many = min(20, number / 100), max(20, number / 20)
    each = _Counts.of(found, lines)
    for look in (
        _Look(all_files=True, ends=3, starts=8),
        _Look(ends=3, starts=8, all_ends=some, all_starts=20),
        _Look(ends=1, starts=1, all_ends=many, all_starts=many),
    ):
        counts = each.together() if look.all_files else each
        column = _suspects(counts, lines.numbers, usual, look)
        for i in np.unique(column[column >= 0]).tolist():
            of_file = np.broadcast_to(column, len(lines.files)) == i
            rows, ends = np.flatnonzero(of_file[lines.file]), lines.numbers[i] in ENDS
            if len(rows) < (look.all_ends if ends else look.all_starts):
                continue
            reading = _likeliest(found, rows, i, targets)
            if ends or reading is not None:
                raise wrong_columns(found, int(rows[0]), i, reading or ())


def looks_like_scores(column: Floats) -> bool:
    """Whether numbers are fractions of 1, and not all of them 0 or 1."""
    fractions = broken = 0
    for part in parts(len(column)):
        values = column[part]
        fractions += int(((values >= 0) & (values <= 1)).sum())
        broken += int((values % 1 > 0).sum())
    return fractions == len(column) and broken / len(column) >= 0.5


@dataclass(frozen=True, slots=True)
class _Counts:
    """How many detections of each file have something, int64 (F, 5) of each of the five columns.

    Attributes:
        number: int64 (F,), how many it has. pixels: above 1. fractions: in 0 … 1 with some room.
        broken: not whole. positive: above 0.
    """

    number: Ints
    pixels: Ints
    fractions: Ints
    broken: Ints
    positive: Ints

    @classmethod
    def of(cls, found: Found, lines: Lines) -> _Counts:
        """Those of all detections."""
        files = len(lines.files)
        number = np.zeros(files, np.int64)
        counts = np.zeros((4, files, 5), np.int64)
        for part in parts(len(found.boxes)):
            file = lines.file[part]
            number += np.bincount(file, minlength=files)
            numbers = numbers_at(found, lines.numbers, part)
            for i, column in enumerate(numbers.T):
                flags = (
                    column > 1,
                    (column >= 0) & (column <= 1 + 1e-6),
                    column % 1 > 0,
                    column > 0,
                )
                for k, flag in enumerate(flags):
                    counts[k, :, i] += np.bincount(file[flag], minlength=files)
        return cls(number, *counts)

    def together(self) -> _Counts:
        """As if all files were one."""
        return _Counts(
            *(one.sum(axis=0, keepdims=True) for one in (self.number, self.pixels, self.fractions)),
            *(one.sum(axis=0, keepdims=True) for one in (self.broken, self.positive)),
        )


def _suspects(
    counts: _Counts, expected: Reading, usual: npt.NDArray[np.bool_], look: _Look
) -> Ints:
    """int64 (F,): the only column of a box that in this file looks as scores do.

    It is -1 where there is none or several, or where the scores look as scores do.

    Args:
        counts: of the files' numbers, as they stand there.
        usual: bool (5,), whether the true boxes are mostly beyond 1 there.
    """
    number = counts.number

    def share(count: Ints) -> Floats:
        return count / np.maximum(number, 1)

    suspect = np.zeros((len(number), 5), np.bool_)
    pixels = share(counts.pixels[:, expected.index(SCORE)]) >= 0.5
    for i in np.flatnonzero(usual):
        suspect[:, i] = pixels & (share(counts.fractions[:, i]) >= 0.99)
        suspect[:, i] &= share(counts.broken[:, i]) >= 0.5
        if expected[i] in ENDS:
            suspect[:, i] &= number >= look.ends
        else:  # boxes that were cut off begin at 0
            suspect[:, i] &= (number >= look.starts) & (share(counts.positive[:, i]) >= 0.9)
    only: Ints = np.where(suspect.sum(axis=1) == 1, suspect.argmax(axis=1), -1)
    return np.where(number > 0, only, -1)


def _likeliest(found: Found, rows: Ints, column: int, targets: Targets) -> Reading | None:
    """The reading with the score in that column whose boxes overlap the true ones most.

    Returns:
        it; without the box's columns (empty) where its boxes hit little; None where they overlap
        no more than as the format says.
    """
    assert found.lines is not None
    expected = found.lines.numbers
    value = numbers_at(found, expected, rows)[:, column]
    rows = rows[np.argsort(-value, kind="stable")[:LOOKED_AT]]
    group = targets.group(found.picture[rows], found.label[rows])
    now = targets.hit_by(found.boxes[rows], group)
    numbers = numbers_at(found, expected, rows)
    readings = [one for one in all_readings(expected) if one.index(SCORE) == column]
    hits = [targets.hit_by(boxes_as(numbers, one), group) for one in readings]
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
    lines = found.lines
    assert lines is not None
    expected = lines.numbers
    numbers = numbers_at(found, expected, slice(row, row + 1))[0]
    score = expected.index(SCORE)
    should = f"Expected: {lines.line(expected)}"
    if column == score:
        what = f"the columns seem to be in another order: {lines.line(reading)}"
        return InputError(what, where=found.place(row), hint=should)
    what = f"the score seems to stand in {lines.column(column)}, where {expected[column]} should"
    seen = (
        f"{lines.column(column)} is {numbers[column]:.6g} here, "
        f"{lines.column(score)}, where the score should stand, {numbers[score]:.6g}"
    )
    if reading:
        seen = f"The columns seem to be: {lines.line(reading)}"
    return InputError(what, where=found.place(row), hint=f"{seen[:1].upper()}{seen[1:]}. {should}")
