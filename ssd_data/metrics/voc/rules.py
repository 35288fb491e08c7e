"""Pascal VOC: the SSD branch's three numbers, and the devkit's two.

``11point``, ``MaxIntegral`` and ``Integral`` are what DetectionEvaluate and TestDetection make of
the same boxes: fractions of the picture, nothing added to the sides, single precision, and a mean
over all classes. ``VOC07`` and ``VOC10`` are the devkit's: pixels with one added to the sides, and
a mean over the classes that have a true box. Difficult boxes are ignored in all five.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ssd_data.core.errors import UsageError
from ssd_data.metrics import SSD_VERSIONS, ScoreOptions
from ssd_data.metrics.average_precision import DEVKIT_VERSIONS, average_precision, curve
from ssd_data.metrics.detection_evaluate import evaluate, mean_ap
from ssd_data.metrics.matching import match_classes
from ssd_data.metrics.scores import Found, Numbers, PrCurve, Truth

NO_SIZE = "picture whose size the truth does not state: the SSD branch's numbers are left out"


def score(truth: Truth, found: Found, options: ScoreOptions) -> Numbers:
    """The five numbers of each threshold of overlap.

    Raises:
        UsageError: a threshold of overlap is not between 0 and 1.
    """
    if not options.iou or not all(0 < iou <= 1 for iou in options.iou):
        raise UsageError("a threshold of overlap lies above 0 and is at most 1", where="--iou")
    ap: dict[str, float | None] = {}
    classes: dict[str, dict[str, float | None]] = _boxes_of_classes(truth, found)
    curves: dict[str, PrCurve] = {}
    for iou in options.iou:
        behind = "" if iou == 0.5 else f"@{iou:g}"
        for name, each in {**_ssd(truth, found, iou), **_devkit(truth, found, iou, curves)}.items():
            known = [value for value in each if value is not None]
            ap[name + behind] = float(np.mean(known)) if known else None
            for label, value in enumerate(each):
                classes[truth.classes[label]][name + behind] = value
    return Numbers(ap, _rules(options), {"ignored": int(truth.ignored.sum())}, classes, curves)


def _rules(options: ScoreOptions) -> dict[str, Any]:
    return {
        "ap": {
            "11point, MaxIntegral, Integral": "the SSD branch's: fractions of the picture, "
            "float32, mean over all classes (0 for one without true boxes)",
            "VOC07, VOC10": "the devkit's: pixels, mean over the classes with true boxes",
        },
        "overlap": list(options.iou),
        "plus_one": {"SSD": False, "devkit": True},
        "difficult": "ignored",
        "duplicates": "wrong",
    }


def _boxes_of_classes(truth: Truth, found: Found) -> dict[str, dict[str, float | None]]:
    detections = np.bincount(found.label, minlength=len(truth.classes)).tolist()
    rows = zip(truth.classes, truth.positives, detections, strict=True)
    return {name: {"truths": t, "detections": d} for name, t, d in rows}


def _ssd(truth: Truth, found: Found, iou: float) -> dict[str, list[float | None]]:
    """Per version the AP of each class, as a test net's DetectionEvaluate would have it."""
    if (unknown := np.flatnonzero((truth.sizes <= 0).any(axis=1))).size:
        for i in unknown:
            found.notes.add(NO_SIZE, truth.pictures[i])
        return {}
    sizes = truth.sizes[:, [0, 1, 0, 1]].astype(np.float32)

    def rows(picture: Any, label: Any, middle: Any, boxes: Any, *behind: Any) -> Any:
        fractions = boxes.astype(np.float32) / sizes[picture]
        return np.column_stack([picture, label + 1, middle, fractions, *behind]).astype(np.float32)

    top = evaluate(
        rows(found.picture, found.label, found.scores, found.boxes),
        rows(truth.picture, truth.label, 0 * truth.label, truth.boxes, truth.ignored),
        len(truth.classes) + 1,
        overlap_threshold=iou,
        evaluate_difficult=False,
    )
    each = {version: mean_ap(top, version)[1] for version in SSD_VERSIONS}
    return {version: [aps[i + 1] for i in range(len(aps))] for version, aps in each.items()}


def _devkit(
    truth: Truth, found: Found, iou: float, curves: dict[str, PrCurve]
) -> dict[str, list[float | None]]:
    """Per version the AP of each class (None without a true box), as VOCevaldet has it."""
    found = found.rows(np.lexsort((-found.scores, found.label)))
    ends = np.searchsorted(found.label, np.arange(len(truth.classes) + 1))
    _, _, hits, passed = match_classes(truth, found, iou, 1)
    result: dict[str, list[float | None]] = {version: [] for version in DEVKIT_VERSIONS}
    for i, (name, positives) in enumerate(zip(truth.classes, truth.positives, strict=True)):
        mine = np.arange(ends[i], ends[i + 1])[~passed[ends[i] : ends[i + 1]]]
        recall, precision = curve(found.scores[mine], hits[mine], max(positives, 1))
        if positives:
            curves.setdefault(name, PrCurve(recall, precision, found.scores[mine]))
        for version in DEVKIT_VERSIONS:
            ap = average_precision(recall, precision, version) if positives else None
            result[version].append(ap)
    return result
