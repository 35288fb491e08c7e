"""COCO: the twelve numbers, computed by hotcoco (pycocotools' rules and sums, in Rust)."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ssd_data.core.optional import require
from ssd_data.metrics import ScoreOptions
from ssd_data.metrics.many import MANY, by_key
from ssd_data.metrics.scores import Floats, Found, Ints, Numbers, PrCurve, Truth

NAMES = (
    *("AP", "AP50", "AP75", "APsmall", "APmedium", "APlarge"),
    *("AR1", "AR10", "AR100", "ARsmall", "ARmedium", "ARlarge"),
)
AT_ONCE = 500_000  # detections, where there are many
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
    if len(found.boxes) > MANY:
        precision, recall, scores, points = _by_classes(truth, found)
        stats = _stats(precision, recall)
    else:
        precision, recall, scores, points, stats = _evaluate(truth, found)
    classes = dict(zip(truth.classes, map(_of_class, precision, recall), strict=True))
    curves = {
        name: PrCurve(points, precision[k, 0, :, 0, -1], scores[k, 0, :, 0, -1])
        for k, name in enumerate(truth.classes)
        if (precision[k, 0, :, 0, -1] > -1).all()
    }
    ap = dict(zip(NAMES, map(_known, stats), strict=True))
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


def _by_classes(truth: Truth, found: Found) -> tuple[Floats, Floats, Floats, Floats]:
    """The evaluator's curves from a few classes at a time, none of which depends on the others."""
    number = len(truth.classes)
    true, mine = by_key(truth.label, number), by_key(found.label, number)
    counts = np.bincount(found.label, minlength=number)
    group = np.cumsum(counts) // AT_ONCE
    parts: list[tuple[Floats, ...]] = []
    for chosen in (np.flatnonzero(group == one) for one in np.unique(group)):
        first, last = int(chosen[0]), int(chosen[-1]) + 1
        own = truth.rows(_together(true[first:last]))
        some = found.rows(_together(mine[first:last]))
        own = replace(own, classes=truth.classes[first:last], label=own.label - first)
        parts.append(_evaluate(own, replace(some, label=some.label - first))[:4])
    precision, recall, scores = (np.concatenate(one) for one in list(zip(*parts, strict=True))[:3])
    return precision, recall, scores, parts[0][3]


def _together(rows: Sequence[Ints | slice]) -> Ints:
    return np.concatenate(
        [np.arange(one.start, one.stop) if isinstance(one, slice) else one for one in rows]
    )


def _stats(precision: Floats, recall: Floats) -> list[float]:
    """What the evaluator makes of its curves: :data:`NAMES`, -1 for what is not known.

    Args:
        precision: (K, T, R, A, M); recall: (K, T, A, M).
    """
    precision, recall = (np.moveaxis(one, 0, -3) for one in (precision, recall))
    chosen = [precision[:, :, :, 0, -1], precision[:1, :, :, 0, -1], precision[5:6, :, :, 0, -1]]
    chosen += [precision[:, :, :, area, -1] for area in (1, 2, 3)]
    chosen += [recall[:, :, 0, most] for most in (0, 1, 2)]
    chosen += [recall[:, :, area, -1] for area in (1, 2, 3)]
    known = (values[values > -1] for values in map(np.ascontiguousarray, chosen))
    return [float(values.mean()) if values.size else -1.0 for values in known]


def _evaluate(truth: Truth, found: Found) -> tuple[Floats, Floats, Floats, Floats, list[float]]:
    """Run the evaluator; ids are given anew: pictures from 0, annotations and categories from 1.

    It takes categories by rising ids, so that these are the classes in the truth's order; and
    pictures, which decides between detections of one score.

    Returns:
        precision (K, T, R, A, M), recall (K, T, A, M), scores as precision; the points of recall
        (R,), and :data:`NAMES`.
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
    used = np.zeros(len(image), np.bool_)
    used[image[truth.picture]] = used[image[found.picture]] = True
    names = ("id", "image_id", "category_id", "bbox", "area", "iscrowd")
    dataset = {
        "images": [{"id": index} for index in np.flatnonzero(used).tolist()],
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
    precision, recall, scores = (
        np.ascontiguousarray(np.moveaxis(np.asarray(evaluator.eval[name]), -3, 0))
        for name in ("precision", "recall", "scores")
    )
    points = np.asarray(evaluator.params.recThrs)
    return precision, recall, scores, points, evaluator.stats[:12]
