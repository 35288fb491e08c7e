"""WIDER FACE: easy, medium and hard by the official evaluation's rules.

Scores are normalised over the whole set; precision and recall are taken at 1,000 thresholds of
them. A box chooses the face it overlaps most. If that is an ignored face, the box does not count; a
face is found from its best box's score on. So nothing depends on the order of the boxes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ssd_data.core.overlaps import CROWD, best_overlaps, jaccard
from ssd_data.core.structures import Flags
from ssd_data.metrics import ScoreOptions
from ssd_data.metrics.average_precision import average_precision
from ssd_data.metrics.many import MANY, parts
from ssd_data.metrics.scores import Floats, Found, Ints, Numbers, PrCurve, Truth

THRESHOLDS = 1 - np.arange(1, 1001) / 1000
OVERLAP = 0.5
RULES = {
    "ap": "area under the curve of the best precision at this recall or more (VOC10)",
    "overlap": OVERLAP,
    "plus_one": True,
    "scores": "normalised to 0..1 over the whole set",
    "thresholds": len(THRESHOLDS),
    "ignored": "faces outside the setting: neither to be found nor wrong to find",
    "duplicates": "wrong",
}


def score(truth: Truth, found: Found, options: ScoreOptions) -> Numbers:
    """The AP of each part of the truth."""
    settings = {name: FaceSetting(truth, counted) for name, counted in truth.sets.items()}
    for some, scores in _pieces(found):
        best, index = best_faces(truth, some)
        # How many of the thresholds each score reaches; the lowest is 0, so at least 1.
        reached = np.searchsorted(THRESHOLDS[::-1], scores, "right")
        for setting in settings.values():
            setting.add(reached, best, index)
    curves = {name: setting.curve() for name, setting in settings.items()}
    counts = {f"truths_{name}": int(counted.sum()) for name, counted in truth.sets.items()}
    ap: dict[str, float | None] = {
        name: average_precision(curve.recall, curve.precision, "VOC10")
        for name, curve in curves.items()
    }
    return Numbers(ap, RULES, counts, curves=curves)


def _pieces(found: Found) -> Iterator[tuple[Found, Floats]]:
    """All detections with their scores :func:`stretched` to 0..1; where there are many, some at a
    time: nothing depends on the others."""
    if not len(found.scores):
        yield found, found.scores
        return
    low, high = found.scores.min(), found.scores.max()
    if low == high:
        found.notes.add("all scores are the same: taken as 1", found.origin)
    number = len(found.scores)
    for part in parts(number) if number > MANY else [slice(number)]:
        some = found.rows(part)
        yield some, stretched(some.scores, low, high)


def stretched(scores: Floats, low: float, high: float) -> Floats:
    """Scores so that the lowest of all is 0 and the highest 1; where all are the same, 1 (there the
    official tool has 0/0)."""
    return np.ones_like(scores) if low == high else (scores - low) / (high - low)


def best_faces(truth: Truth, found: Found) -> tuple[Floats, Ints]:
    """For each box the face it overlaps most: overlap (N,), -1 without any face, and index (N,)."""
    best = np.full(len(found.boxes), -1.0)
    index = np.full(len(found.boxes), -1, np.int64)
    numbers = np.arange(len(truth.pictures) + 1)
    starts = np.searchsorted(truth.picture, numbers)
    order = np.argsort(found.picture, kind="stable")
    ends = np.searchsorted(found.picture[order], numbers)
    for i in range(len(truth.pictures)):
        rows, first, last = order[ends[i] : ends[i + 1]], starts[i], starts[i + 1]
        if not len(rows) or first == last:
            continue
        if len(rows) * (last - first) > CROWD:
            own = np.zeros(last - first, np.int64)
            few = best_overlaps(
                found.boxes[rows], own[:1].repeat(len(rows)), truth.boxes[first:last], own, 1
            )
            best[rows], index[rows] = few[0], first + few[1]
            continue
        overlap = jaccard(found.boxes[rows, None], truth.boxes[None, first:last], 1)
        chosen = overlap.argmax(axis=1)
        index[rows] = first + chosen
        best[rows] = np.take_along_axis(overlap, chosen[:, None], 1)[:, 0]
    return best, index


class FaceSetting:
    """Precision and recall of one setting at the 1,000 thresholds.

    Boxes in pictures without any face in the truth are passed over; precision is 0 where no box is
    left (the official tool has 0/0 there, which its AP passes over).

    Args:
        counted: bool (M,), the faces that are to be found.
    """

    def __init__(self, truth: Truth, counted: Flags) -> None:
        self.counted = counted
        self._proposals = np.zeros(len(THRESHOLDS), np.int64)
        self._highest = np.zeros(len(truth.boxes), np.int64)

    def add(self, reached: Ints, best: Floats, index: Ints) -> None:
        """Take detections in: how many thresholds each reaches; what :func:`best_faces` says."""
        hit = best >= OVERLAP
        of_ignored = hit.copy()
        of_ignored[hit] = ~self.counted[index[hit]]
        self._proposals += _at_least(reached[(best >= 0) & ~of_ignored])
        matched = hit & ~of_ignored
        np.maximum.at(self._highest, index[matched], reached[matched])

    def curve(self) -> PrCurve:
        """Of all that was taken in."""
        recalled, proposals = _at_least(self._highest), self._proposals
        precision = np.divide(
            recalled, proposals, out=np.zeros(len(proposals)), where=proposals > 0
        )
        recall: Any = recalled / max(int(self.counted.sum()), 1)
        return PrCurve(recall, precision, THRESHOLDS)


def _at_least(reached: Ints) -> Ints:
    """How many reach each threshold, the highest first."""
    number = len(THRESHOLDS)
    counts: Ints = np.cumsum(np.bincount(reached, minlength=number + 1)[:0:-1])
    return counts
