"""WIDER FACE: easy, medium and hard by the official evaluation's rules.

Scores are normalised over the whole set; precision and recall are taken at 1,000 thresholds of
them. A box chooses the face it overlaps most. If that is an ignored face, the box does not count; a
face is found from its best box's score on. So nothing depends on the order of the boxes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ssd_data.core.overlaps import CROWD, best_overlaps, jaccard
from ssd_data.core.structures import Flags
from ssd_data.metrics import ScoreOptions
from ssd_data.metrics.average_precision import average_precision
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
    best, index = best_faces(truth, found)
    # How many of the thresholds each score reaches; the lowest is 0, so at least 1.
    reached = np.searchsorted(THRESHOLDS[::-1], normalised(found), "right")
    curves = {
        name: setting_curve(truth, reached, best, index, truth.sets[name]) for name in truth.sets
    }
    counts = {f"truths_{name}": int(counted.sum()) for name, counted in truth.sets.items()}
    ap: dict[str, float | None] = {
        name: average_precision(curve.recall, curve.precision, "VOC10")
        for name, curve in curves.items()
    }
    return Numbers(ap, RULES, counts, curves=curves)


def normalised(found: Found) -> Floats:
    """The scores stretched to 0..1; where all are the same, 1 (there the official tool has 0/0)."""
    if not len(found.scores):
        return found.scores
    low, high = found.scores.min(), found.scores.max()
    if low == high:
        found.notes.add("all scores are the same: taken as 1", found.origin)
        return np.ones_like(found.scores)
    stretched: Floats = (found.scores - low) / (high - low)
    return stretched


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


def setting_curve(
    truth: Truth, reached: Ints, best: Floats, index: Ints, counted: Flags
) -> PrCurve:
    """Precision and recall of one setting at the 1,000 thresholds.

    Boxes in pictures without any face in the truth are passed over; precision is 0 where no box is
    left (the official tool has 0/0 there, which its AP passes over).
    """
    hit = best >= OVERLAP
    of_ignored = hit.copy()
    of_ignored[hit] = ~counted[index[hit]]
    proposals = _at_least(reached[(best >= 0) & ~of_ignored])
    matched = hit & ~of_ignored
    highest = np.zeros(len(truth.boxes), np.int64)
    np.maximum.at(highest, index[matched], reached[matched])
    recalled = _at_least(highest)
    precision = np.divide(recalled, proposals, out=np.zeros(len(proposals)), where=proposals > 0)
    recall: Any = recalled / max(int(counted.sum()), 1)
    return PrCurve(recall, precision, THRESHOLDS)


def _at_least(reached: Ints) -> Ints:
    """How many reach each threshold, the highest first."""
    number = len(THRESHOLDS)
    counts: Ints = np.cumsum(np.bincount(reached, minlength=number + 1)[:0:-1])
    return counts
