"""How many true boxes detections hit, if they are read in some way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ssd_data.core.overlaps import best_overlaps
from ssd_data.core.structures import Flags
from ssd_data.metrics.many import parts
from ssd_data.metrics.scores import Floats, Ints, Truth

OVERLAP = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """What some boxes hit.

    Attributes:
        found: how many true boxes; possible: how many there are to be hit.
        overlap: the mean of what each box has in common with the best true one.
        rows: int64 (H,), the boxes that hit; true: int64 (H,), which true box each hits.
    """

    found: int
    possible: int
    overlap: float
    rows: Ints
    true: Ints

    @property
    def share(self) -> float:
        """How many of the possible ones are found."""
        return self.found / max(self.possible, 1)


class Targets:
    """The true boxes of a set, sorted by picture and class so that many readings can be tried."""

    def __init__(self, truth: Truth, by_class: bool = True) -> None:
        self.classes = len(truth.classes) if by_class else 1
        group = self.group(truth.picture, truth.label)
        self.order = np.argsort(group, kind="stable")
        self.groups, self.boxes = group[self.order], truth.boxes[self.order]

    def group(self, picture: Ints, label: Ints) -> Ints:
        """Which true boxes a detection of that picture and label may hit."""
        return picture * self.classes + (label if self.classes > 1 else 0)

    def hit_by(self, boxes: Floats, group: Ints) -> Hits:
        """What boxes (N, 4), corners in pixels, of those groups hit."""
        best, index = best_overlaps(boxes, group, self.boxes, self.groups)
        rows = np.flatnonzero(best >= OVERLAP)
        known = np.unique(group)
        ends = np.searchsorted(self.groups, known, "right")
        there = int((ends - np.searchsorted(self.groups, known, "left")).sum())
        return Hits(
            len(np.unique(index[rows])),
            min(there, len(boxes)),
            float(best.clip(0).mean()) if len(best) else 0.0,
            rows,
            self.order[index[rows]],
        )

    def hit_by_chance(self, boxes: Floats, group: Ints) -> int:
        """How many true boxes of any class the same boxes hit in other pictures.

        In a set of one picture that is the other one, too.
        """
        pictures = self.groups // self.classes
        known = np.unique(pictures)
        place = np.searchsorted(known, group // self.classes) + len(known) // 2
        best, index = best_overlaps(boxes, known[place % len(known)], self.boxes, pictures)
        return len(np.unique(index[best >= OVERLAP]))


def best_rows(scores: Floats, most: int) -> Ints:
    """The rows of the highest scores, in their order; int64, at most ``most``; of equals the
    first."""
    best = np.zeros(0, np.int64)
    for part in parts(len(scores)):
        rows = np.concatenate([best, np.arange(part.start, part.stop)])
        best = rows if len(rows) <= most else _best(rows, scores[rows], most)
    return best


def _best(rows: Ints, scores: Floats, most: int) -> Ints:
    least = -np.partition(-scores, most - 1)[most - 1]
    above, equal = np.flatnonzero(scores > least), np.flatnonzero(scores == least)
    chosen: Ints = rows[np.sort(np.concatenate([above, equal[: most - len(above)]]))]
    return chosen


def inverted(boxes: Floats) -> Flags:
    """Which boxes (N, 4) end before they begin; bool (N,)."""
    return (boxes[:, 2] < boxes[:, 0]) | (boxes[:, 3] < boxes[:, 1])
