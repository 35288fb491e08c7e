"""Pascal VOC: the SSD branch's three numbers, and the devkit's two.

``11point``, ``MaxIntegral`` and ``Integral`` are what DetectionEvaluate and TestDetection make of
the same boxes: fractions of the picture, nothing added to the sides, single precision, and a mean
over all classes. ``VOC07`` and ``VOC10`` are the devkit's: pixels with one added to the sides, and
a mean over the classes that have a true box. Difficult boxes are ignored in all five.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from ssd_data.core.errors import UsageError
from ssd_data.metrics import SSD_VERSIONS, ScoreOptions
from ssd_data.metrics.average_precision import DEVKIT_VERSIONS, average_precision, curve
from ssd_data.metrics.detection_evaluate import evaluate, mean_ap
from ssd_data.metrics.many import MANY, Columns, by_key
from ssd_data.metrics.matching import match_classes
from ssd_data.metrics.scores import Floats, Found, Numbers, PrCurve, Truth

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
    curves = _Curves()
    for iou in options.iou:
        behind = "" if iou == 0.5 else f"@{iou:g}"
        numbers: dict[str, list[float | None]] = {}
        for true, some in _by_class(truth, found) if len(found.boxes) > MANY else [(truth, found)]:
            for name, each in {**_ssd(true, some, iou), **_devkit(true, some, iou, curves)}.items():
                numbers.setdefault(name, []).extend(each)
        for name, each in numbers.items():
            known = [value for value in each if value is not None]
            ap[name + behind] = float(np.mean(known)) if known else None
            for label, value in enumerate(each):
                classes[truth.classes[label]][name + behind] = value
    counts = {"ignored": int(truth.ignored.sum())}
    return Numbers(ap, _rules(options), counts, classes, curves.whole())


class _Curves:
    """A curve for each class: of the first threshold that gives one."""

    def __init__(self) -> None:
        self._ends: dict[str, int] = {}
        self._points = Columns()

    def add(self, name: str, *points: Floats) -> None:
        """Recall, precision and scores of a class."""
        if name not in self._ends:
            self._points.add(*points)
            self._ends[name] = self._points.count

    def whole(self) -> dict[str, PrCurve]:
        """Class → its curve."""
        if not self._ends:
            return {}
        columns, spans = self._points.whole(), pairwise([0, *self._ends.values()])
        return {
            name: PrCurve(*(column[start:end] for column in columns))
            for name, (start, end) in zip(self._ends, spans, strict=True)
        }


def _by_class(truth: Truth, found: Found) -> Iterator[tuple[Truth, Found]]:
    """Each class alone, whose numbers do not depend on the others."""
    number = len(truth.classes)
    rows = by_key(truth.label, number), by_key(found.label, number)
    for name, true, mine in zip(truth.classes, *rows, strict=True):
        own, some = truth.rows(true), found.rows(mine)
        yield (
            replace(own, classes=(name,), label=np.zeros_like(own.label)),
            replace(some, label=np.zeros_like(some.label)),
        )


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
    truth: Truth, found: Found, iou: float, curves: _Curves
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
            curves.add(name, recall, precision, found.scores[mine])
        for version in DEVKIT_VERSIONS:
            ap = average_precision(recall, precision, version) if positives else None
            result[version].append(ap)
    return result
