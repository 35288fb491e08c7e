"""COCO: the twelve numbers, computed by hotcoco (pycocotools' rules and sums, in Rust)."""

from __future__ import annotations

import contextlib
import io
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
        SsdDataError: hotcoco is not installed.
    """
    evaluator = _evaluate(truth, found)
    precision, recall, scores = (
        np.ascontiguousarray(np.moveaxis(np.asarray(evaluator.eval[name]), -3, 0))
        for name in ("precision", "recall", "scores")
    )
    classes = dict(zip(truth.classes, map(_of_class, precision, recall), strict=True))
    points = np.asarray(evaluator.params.recThrs)
    curves = {
        name: PrCurve(points, precision[k, 0, :, 0, -1], scores[k, 0, :, 0, -1])
        for k, name in enumerate(truth.classes)
        if (precision[k, 0, :, 0, -1] > -1).all()
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
    """Run the evaluator; ids are given anew: pictures from 0, annotations and categories from 1.

    It takes categories by rising ids, so that these are the classes in the truth's order; and
    pictures, which decides between detections of one score.
    """
    library = require("hotcoco", "score")
    image = np.argsort(sorted(range(len(truth.pictures)), key=lambda i: int(truth.pictures[i])))
    columns = (
        range(1, len(truth.label) + 1),
        image[truth.picture].tolist(),
        (truth.label + 1).tolist(),
        truth.attributes["xywh"].tolist(),
        truth.attributes["area"].tolist(),
        truth.ignored.astype(int).tolist(),
    )
    names = ("id", "image_id", "category_id", "bbox", "area", "iscrowd")
    dataset = {
        "images": [{"id": index} for index in range(len(truth.pictures))],
        "annotations": [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)],
        "categories": [{"id": i, "name": name} for i, name in enumerate(truth.classes, 1)],
    }
    results = np.column_stack(
        [image[found.picture], found.attributes["xywh"], found.scores, found.label + 1]
    ).astype(np.float64)
    true = library.COCO(dataset)
    evaluator = library.COCOeval(true, true.load_res(results), "bbox")
    evaluator.evaluate()
    evaluator.accumulate()
    with contextlib.redirect_stdout(io.StringIO()):
        evaluator.summarize()
    return evaluator
