"""What the SSD branch's DetectionEvaluate layer and TestDetection compute, on arrays.

The layer (``detection_evaluate_layer.cpp``) says of each detection whether it is true or false; the
solver's test phase (``TestDetection`` in ``solver.cpp``) makes the mean AP of that.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ssd_data.core.errors import InputError
from ssd_data.metrics.average_precision import average_precision, curve
from ssd_data.metrics.matching import match

Rows: TypeAlias = npt.NDArray[np.float32]
Sizes: TypeAlias = npt.NDArray[Any]
_GROUPS = 1 << 31


def evaluate(
    detections: Rows,
    truths: Rows,
    num_classes: int,
    background: int = 0,
    overlap_threshold: float = 0.5,
    evaluate_difficult: bool = True,
    sizes: Sizes | None = None,
) -> Rows:
    """The layer's top: which detections are true and which false.

    Args:
        detections: float32 (N, 7), rows of image, label, score, xmin, ymin, xmax, ymax; boxes are
            fractions; a label of -1 stands for a picture in which nothing was found.
        truths: float32 (M, 8), rows of image, label, instance, xmin, ymin, xmax, ymax, difficult;
            an image of -1 ends them.
        num_classes: with the background.
        background: its label, -1 where there is none.
        overlap_threshold: least Jaccard overlap of a true detection.
        evaluate_difficult: whether difficult boxes count.
        sizes: (P, 2), height and width of the pictures in the order of those that have detections:
            boxes are then cut at the border and compared in pixels, with one added to their sides.

    Returns:
        float32 (K, 5): a row ``-1, label, number of true boxes, -1, -1`` for each label but the
        background, then a row ``image, label, score, true, false`` a detection, by image, label and
        falling score (in the given order where the picture has no true box of that label). Both
        flags are 0 where a difficult box was found that does not count.

    Raises:
        InputError: the background's label is among detections or truths.
    """
    found = np.asarray(detections, np.float32).reshape(-1, 7)
    truth = np.asarray(truths, np.float32).reshape(-1, 8)
    ends = np.flatnonzero(truth[:, 0] == -1)
    truth = truth[: ends[0]] if len(ends) else truth
    found = found[found[:, 0] != -1]
    _refuse_background(found, truth, background)
    pictures = np.unique(found[:, 0].astype(np.int64))
    found = found[found[:, 1] != -1]
    groups, truth_groups = _groups(found), _groups(truth)
    known = np.isin(groups, truth_groups)
    # Without true boxes of its label in the picture a detection keeps its place.
    found = found[np.lexsort((np.where(known, -found[:, 2], 0), groups))]
    groups = np.sort(groups)
    boxes, truth_boxes, plus = found[:, 3:7], truth[:, 3:7], 0
    if sizes is not None:
        boxes, plus = _in_pixels(boxes, found[:, 0], pictures, sizes), 1
        truth_boxes = _in_pixels(truth_boxes, truth[:, 0], pictures, sizes)
    counted = np.ones(len(truth), np.bool_) if evaluate_difficult else truth[:, 7] == 0
    threshold = np.float32(overlap_threshold)
    _, _, hits, passed = match(boxes, groups, truth_boxes, truth_groups, ~counted, threshold, plus)
    rows = np.column_stack([found[:, :3], hits, ~hits & ~passed])
    numbers = _numbers(truth[counted, 1], num_classes, background)
    return np.vstack([numbers, rows]).astype(np.float32)


def _refuse_background(found: Rows, truth: Rows, background: int) -> None:
    for rows, where in ((found, "detections"), (truth, "label")):
        if background != -1 and np.any(rows[:, 1] == background):
            raise InputError(f"the background's label, {background}, is among them", where=where)


def _groups(rows: Rows) -> npt.NDArray[np.int64]:
    """One number for each image and label, which sorts by image, then label."""
    image, label = rows[:, :2].astype(np.int64).T
    groups: npt.NDArray[np.int64] = image * _GROUPS + label
    return groups


def _numbers(labels: Rows, num_classes: int, background: int) -> Rows:
    """The rows that state how many true boxes each label has."""
    counted = [label for label in range(num_classes) if label != background]
    numbers = [np.count_nonzero(labels == label) for label in counted]
    rows = np.full((len(counted), 5), -1, np.float32)
    rows[:, 1], rows[:, 2] = counted, numbers
    return rows


def _in_pixels(boxes: Rows, image: Rows, pictures: Sizes, sizes: Sizes) -> Rows:
    """Cut at the border, then scaled; the n-th picture with detections has the n-th size."""
    place = np.searchsorted(pictures, image.astype(np.int64)) % len(sizes)
    scale = np.asarray(sizes, np.float32)[place][:, [1, 0, 1, 0]]
    return boxes.clip(np.float32(0), np.float32(1)) * scale


def mean_ap(rows: Rows, ap_version: str = "11point") -> tuple[float, dict[int, float]]:
    """TestDetection's result from the rows of one or more :func:`evaluate`, one below the other.

    Args:
        rows: float32 (K, 5); rows that count the true boxes of one label add up.
        ap_version: "11point", "MaxIntegral" or "Integral".

    Returns:
        the mean over all labels that a row counts (0 for one without detections or true boxes), and
        each label's AP.

    Raises:
        UsageError: there is no such version.
    """
    counts = rows[:, 0] == -1
    numbers, rows = rows[counts], rows[~counts]
    rows = rows[(rows[:, 3] != 0) | (rows[:, 4] != 0)]
    rows = rows[np.argsort(rows[:, 1], kind="stable")]
    each: dict[int, float] = {}
    total = np.float32(0)
    for label in np.unique(numbers[:, 1]):
        first = np.searchsorted(rows[:, 1], label, "left")
        mine = rows[first : np.searchsorted(rows[:, 1], label, "right")]
        positives = int(numbers[numbers[:, 1] == label, 2].astype(np.int64).sum())
        ap = 0.0
        if positives and len(mine):
            recall, precision = curve(mine[:, 2], mine[:, 3] == 1, positives, np.float32)
            ap = average_precision(recall, precision, ap_version)
        each[int(label)] = ap
        total += np.float32(ap)
    return (float(total / np.float32(len(each))) if each else 0.0), each
