"""COCO: the twelve numbers, computed by faster-coco-eval (pycocotools' rules, its sums in C++)."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from ssd_data.core.optional import require
from ssd_data.metrics import ScoreOptions
from ssd_data.metrics.scores import Floats, Found, Numbers, PrCurve, Truth

NAMES = (
    *("AP", "AP50", "AP75", "APsmall", "APmedium", "APlarge"),
    *("AR1", "AR10", "AR100", "ARsmall", "ARmedium", "ARlarge"),
)
RULES = {
    "ap": "mean of 101 points of recall, of all thresholds and of the classes with true boxes",
    "overlap": "0.50:0.05:0.95",
    "plus_one": False,
    "crowd": "ignored; a detection may lie in one, measured by its own area",
    "detections_a_picture": [1, 10, 100],
    "areas": {"small": "below 32x32", "medium": "32x32 to 96x96", "large": "above 96x96"},
}


def score(truth: Truth, found: Found, options: ScoreOptions) -> Numbers:
    """The twelve numbers.

    Raises:
        SsdDataError: faster-coco-eval is not installed.
    """
    evaluator = _evaluate(truth, found)
    precision, recall = evaluator.eval["precision"], evaluator.eval["recall"]
    classes = {
        name: _of_class(precision[:, :, k], recall[:, k]) for k, name in enumerate(truth.classes)
    }
    points = np.asarray(evaluator.params.recThrs)
    curves = {
        name: PrCurve(points, precision[0, :, k, 0, -1], evaluator.eval["scores"][0, :, k, 0, -1])
        for k, name in enumerate(truth.classes)
        if (precision[0, :, k, 0, -1] > -1).all()
    }
    ap = dict(zip(NAMES, map(_known, evaluator.stats[:12]), strict=True))
    return Numbers(ap, RULES, {"crowd": int(truth.ignored.sum())}, classes, curves)


def _known(value: float) -> float | None:
    """COCO's -1 says that there is no true box of that kind."""
    return None if value < 0 else float(value)


def _of_class(precision: Floats, recall: Floats) -> dict[str, float | None]:
    """One class's numbers from precision (T, R, A, M) and recall (T, A, M)."""

    def mean(values: Floats) -> float | None:
        known = values[values > -1]
        return float(known.mean()) if known.size else None

    return {
        "AP": mean(precision[:, :, 0, -1]),
        "AP50": mean(precision[0, :, 0, -1]),
        "AP75": mean(precision[5, :, 0, -1]),
        "APsmall": mean(precision[:, :, 1, -1]),
        "APmedium": mean(precision[:, :, 2, -1]),
        "APlarge": mean(precision[:, :, 3, -1]),
        "AR100": mean(recall[:, 0, -1]),
    }


def _evaluate(truth: Truth, found: Found) -> Any:
    """Run the evaluator; ids of annotations and categories are given anew, from 1.

    It takes categories by rising ids, so that these are the classes in the truth's order.
    """
    library = require("faster_coco_eval", "score")
    images = np.array([int(name) for name in truth.pictures], np.int64)
    annotations = _dicts(
        images[truth.picture],
        truth.label + 1,
        truth.attributes["xywh"],
        area=truth.attributes["area"].tolist(),
        iscrowd=truth.ignored.astype(int).tolist(),
    )
    results = _dicts(
        images[found.picture],
        found.label + 1,
        found.attributes["xywh"],
        score=found.scores.tolist(),
    )
    dataset = {
        "images": [{"id": number} for number in images.tolist()],
        "annotations": annotations,
        "categories": [{"id": i, "name": name} for i, name in enumerate(truth.classes, 1)],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        true = library.COCO(dataset)
        evaluator = library.COCOeval_faster(true, true.loadRes(results), "bbox")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return evaluator


def _dicts(images: Any, categories: Any, boxes: Floats, **more: Sequence[Any]) -> list[Any]:
    columns = (range(1, len(boxes) + 1), images.tolist(), categories.tolist(), boxes.tolist())
    names = ("id", "image_id", "category_id", "bbox", *more)
    rows = zip(*columns, *more.values(), strict=True)
    return [dict(zip(names, row, strict=True)) for row in rows]
