"""VOC's matching, which the SSD branch and most analyses share.

A detection chooses the true box of its group that it overlaps most, taken or not. The first to
reach that box finds it, later ones do not; on an ignored box none counts.
"""

from __future__ import annotations

import numpy as np

from ssd_data.core.overlaps import Floats, Indices, best_overlaps, first_of_each
from ssd_data.core.structures import Flags
from ssd_data.metrics.scores import Found, Truth


def match(
    found: Floats,
    found_group: Indices,
    truth: Floats,
    truth_group: Indices,
    ignored: Flags,
    overlap: float | np.float32,
    plus: int = 0,
) -> tuple[Floats, Indices, Flags, Flags]:
    """Match detections, the best first, with true boxes.

    Args:
        found, found_group, truth, truth_group, plus: as
            :func:`ssd_data.core.overlaps.best_overlaps` takes them; in each group by falling score.
        ignored: bool (M,), true boxes that are neither to be found nor wrong to find.
        overlap: from which Jaccard overlap on a box is found.

    Returns:
        overlap (N,) with the true box that each overlaps most, -1 without any; its index, int64
        (N,), -1 without any; bool (N,), which found an object; bool (N,), which lie on an ignored
        one and do not count.

    >>> boxes = np.array([[0.0, 0.0, 4.0, 4.0]])
    >>> match(boxes[[0, 0]], np.array([7, 7]), boxes, np.array([7]), np.array([False]), 0.5)[2]
    array([ True, False])
    """
    best, index = best_overlaps(found, found_group, truth, truth_group, plus)
    reaches = best >= overlap
    passed = reaches.copy()
    passed[reaches] = ignored[index[reaches]]
    return best, index, first_of_each(index, reaches & ~passed), passed


def match_classes(
    truth: Truth, found: Found, overlap: float, plus: int
) -> tuple[Floats, Indices, Flags, Flags]:
    """The same of each picture and class; ``found`` by falling score."""
    number = len(truth.classes)
    group, truth_group = found.picture * number + found.label, truth.picture * number + truth.label
    return match(found.boxes, group, truth.boxes, truth_group, truth.ignored, overlap, plus)
