"""Detections of an LMDB's pictures, each with what it is: right, badly localised or false."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ssd_data.core.structures import Boxes, Flags, Labels
from ssd_data.metrics.scores import Floats, Ints

FOUND, IGNORED, POOR = "hit", "ignored", "poor"
# How each kind of detection is called on the page, and what it is: the word is in the address.
KINDS = {
    FOUND: "found an object",
    POOR: "badly localised",
    "other": "false: of another class",
    "twice": "false: found already",
    "nothing": "false: nothing there",
    IGNORED: "on a difficult object",
}
FALSE = ("other", "twice", "nothing")
ALL = slice(None)


@dataclass(frozen=True, eq=False)
class Judged:
    """Detections, each with what it is, sorted by record.

    Attributes:
        origin: the file or folder; notes: what is odd about it, in words.
        record: int64 (N,); label: int32 (N,); score: float64 (N,);
        boxes: float32 (N, 4), fractions of the picture.
        kind: (N,), one of KINDS.
        best: float64 (N,), from which score on detections of its class are best (highest F1).
        truth: the true boxes that count: int64 (T,), rows of the index's boxes.
        finder: int64 (T,), the detection that found each, -1 for none.
        silent: bool (P,), pictures that were not looked at, where the file says so.
    """

    origin: str
    notes: tuple[str, ...]
    record: Ints
    label: Labels
    score: Floats
    boxes: Boxes
    kind: np.ndarray[tuple[int], np.dtype[np.str_]]
    best: Floats
    truth: Ints
    truth_record: Ints
    finder: Ints
    silent: Flags

    def counted(self, score: float | None, rows: Ints | slice = ALL) -> Flags:
        """Which detections, or which of some, count: from a score on, or their class's best."""
        counted: Flags = self.score[rows] >= (self.best[rows] if score is None else score)
        return counted

    def missed(self, score: float | None, rows: slice = ALL) -> Flags:
        """Which of the true boxes that count, or of some of them, nothing has found."""
        finder = self.finder[rows]
        found: Flags = finder >= 0
        found[found] = self.counted(score, finder[found])
        return ~found

    @lru_cache(16)  # noqa: B019 - there is one of these a process
    def mistakes(self, score: float | None) -> dict[str, Ints]:
        """How many of each of MISTAKES each record has, int64 (P,)."""
        counted, number = self.counted(score), len(self.silent)

        def count(which: Flags) -> Ints:
            return np.bincount(self.record[which & counted], minlength=number)

        missed = np.bincount(self.truth_record[self.missed(score)], minlength=number)
        return {
            "missed": np.where(self.silent, 0, missed),
            "false": count(np.isin(self.kind, FALSE)),
            "poor": count(self.kind == POOR),
        }
