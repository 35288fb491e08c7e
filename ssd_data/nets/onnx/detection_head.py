"""What an ONNX net ends with: raw heads, boxes and scores, or detections.

All of it in single precision: boxes and scores are what is compared with thresholds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ssd_data.nets.detection import DetectionHead
from ssd_data.nets.layer_step import Array
from ssd_data.nets.onnx.emission import Emission, Value

# Below all scores. Runtimes that compute in half precision, or bfloat16, must have it exactly:
# what is not quite it would be a detection.
LEAST = np.float32(-32768)


@dataclass(frozen=True, slots=True, eq=False)
class EmittedHead:
    """A net's head, as emitted, and what is known of it.

    Attributes:
        locations, confidences: of a batch, in any shape.
        boxes, variances: priors, float32 (N, 4).
        head: what the net says of it.
        fills: whether the reader fills up what NonMaxSuppression gives with boxes of number -1.
    """

    emission: Emission
    locations: Value
    confidences: Value
    boxes: Array
    variances: Array
    head: DetectionHead
    fills: bool = False


def head_outputs(end: EmittedHead, head: str) -> dict[str, Value]:
    """The outputs by name.

    raw: ``locations`` (batch, priors, 4), ``confidences`` (batch, priors, classes), before their
    activation. decoded: ``boxes`` (batch, priors, 4), fractions, and ``scores`` (batch, priors,
    classes). nms: ``detections`` (batch, most, 6): label, score, xmin, ymin, xmax, ymax by falling
    score, the rest filled with label -1. Where each class has boxes of its own, raw and decoded
    have (batch, priors, classes, 4).

    Raises:
        InputError: that head cannot be had of this net.
    """
    e = end.emission
    e.prefix = "end"
    with e.single():
        locations, confidences = _tables(end)
        if head == "raw":
            return {"locations": locations, "confidences": confidences}
        boxes, scores = _decode(end, locations), _activate(end, confidences)
        if head == "decoded":
            return {"boxes": boxes, "scores": scores}
        return {"detections": _suppress(end, boxes, scores)}


def _tables(end: EmittedHead) -> tuple[Value, Value]:
    """Locations and confidences, a row a prior."""
    e, count, classes = end.emission, len(end.boxes), end.head.settings["num_classes"]
    batch = end.locations.shape[0]
    each = (4,) if end.head.settings["share_location"] else (classes, 4)
    locations = e.reshape(e.cast(end.locations), (batch, count, *each), True)
    confidences = e.reshape(e.cast(end.confidences), (batch, count, classes), True)
    return locations, confidences


def _activate(end: EmittedHead, confidences: Value) -> Value:
    e, shape, kind = end.emission, confidences.shape, end.head.activation
    if kind == "softmax":
        return e.add("Softmax", [confidences], shape, axis=2)
    return e.add("Sigmoid", [confidences], shape) if kind == "sigmoid" else confidences


def _decode(end: EmittedHead, locations: Value) -> Value:
    """Boxes, fractions, not clipped."""
    e, shape, settings = end.emission, locations.shape, end.head.settings
    code = settings["code_type"]
    spread = (slice(None), None) if len(shape) == 4 else (slice(None),)
    boxes, variances = end.boxes[spread], end.variances[spread]

    def constant(array: Array) -> Value:
        return e.constant(array[None], "priors")

    if not settings["variance_encoded_in_target"]:
        locations = e.add("Mul", [locations, constant(variances)], shape)
    size = boxes[..., 2:] - boxes[..., :2]
    if code == "CORNER_SIZE":
        locations = e.add("Mul", [locations, constant(np.concatenate([size, size], -1))], shape)
    if code != "CENTER_SIZE":
        return e.add("Add", [locations, constant(boxes)], shape)
    pairs = (*shape[:-1], 2)
    middle = (boxes[..., :2] + boxes[..., 2:]) / 2
    centre = e.add("Mul", [_cut(e, locations, 0, 2), constant(size)], pairs)
    centre = e.add("Add", [centre, constant(middle)], pairs)
    half = e.add("Exp", [_cut(e, locations, 2, 4)], pairs)
    half = e.add("Mul", [half, constant(size / 2)], pairs)
    low, high = (e.add(sign, [centre, half], pairs) for sign in ("Sub", "Add"))
    return e.add("Concat", [low, high], shape, axis=len(shape) - 1)


def _cut(e: Emission, value: Value, start: int, end: int) -> Value:
    """A part of the last axis."""
    limits = [_whole(e, [n]) for n in (start, end, len(value.shape) - 1)]
    return e.add("Slice", [value, *limits], (*value.shape[:-1], end - start))


def _whole(e: Emission, values: Any) -> Value:
    return e.constant(np.asarray(values, np.int64), "numbers")


def _suppress(end: EmittedHead, boxes: Value, scores: Value) -> Value:
    """DetectionOutput's choice: of each class the ``top_k`` best above the threshold, suppressed;
    of each picture the ``keep_top_k`` best."""
    e, settings = end.emission, end.head.settings
    if not settings["share_location"] or settings["eta"] < 1:
        which = "eta below 1" if settings["share_location"] else "share_location: false"
        raise end.head.node.error(
            f"ONNX's NonMaxSuppression knows nothing of {which}",
            "Take --head decoded or raw, with the post-processing beside it",
        )
    if none := [name for name in ("top_k", "keep_top_k") if settings[name] == 0]:
        raise end.head.node.error(f"{none[0]} is 0: nothing is found", "-1 keeps all")
    batch, count = scores.shape[:2]
    classes = settings["num_classes"]
    labels = [i for i in range(classes) if i != settings["background_label_id"]]
    if not labels:
        raise end.head.node.error("the net knows no class but the background")
    top = min(settings["top_k"], count) if settings["top_k"] >= 0 else count
    by_class = e.add("Transpose", [scores], (batch, classes, count), perm=[0, 2, 1])
    by_class = e.add("Gather", [by_class, _whole(e, labels)], (batch, len(labels), count), axis=1)
    kept = _best(e, by_class, top)
    if end.fills:
        boxes, kept, count = _one_more(e, boxes, kept)
    limits = [_whole(e, [top])]
    limits += [
        e.constant(np.array([value]), name)
        for name, value in (
            ("nms_threshold", min(settings["nms_threshold"], 1.0)),  # no two overlap by more
            ("confidence_threshold", max(settings["confidence_threshold"], LEAST)),
        )
    ]
    # As many rows as are found: no shape says how many. (1 stands for it.)
    around = boxes if settings["code_type"] == "CENTER_SIZE" else _upright(e, boxes)
    chosen = e.add("NonMaxSuppression", [around, kept, *limits], (1, 3), whole=True, batched=False)
    if end.fills:
        unused = e.add("Less", [chosen, _whole(e, 0)], (1, 3), whole=True, batched=False)
        chosen = e.add("Where", [unused, _whole(e, count - 1), chosen], (1, 3), whole=True)
    found = e.add("GatherND", [kept, chosen], (1,), batched=False)
    sizes = e.add("Shape", [kept], (3,), whole=True, batched=False)
    empty = e.add("Expand", [e.constant(LEAST, "least"), sizes], kept.shape, batched=True)
    left = e.add("ScatterND", [empty, chosen, found], kept.shape)
    flat = e.reshape(left, (batch, len(labels) * count), True)
    keep = settings["keep_top_k"]
    most = min(keep if keep >= 0 else len(labels) * top, len(labels) * count)
    return _rows(e, boxes, flat, labels, count, most)


def _one_more(e: Emission, boxes: Value, scores: Value) -> tuple[Value, Value, int]:
    """Boxes and scores with one more at the end, which is never chosen; and how many they are."""
    batch, labels, count = scores.shape
    box = e.constant(np.zeros((batch, 1, 4)), "none")
    least = e.constant(np.full((batch, labels, 1), LEAST), "none")
    boxes = e.add("Concat", [boxes, box], (batch, count + 1, 4), axis=1)
    scores = e.add("Concat", [scores, least], (batch, labels, count + 1), axis=2)
    return boxes, scores, count + 1


def _upright(e: Emission, boxes: Value) -> Value:
    """The boxes with those that are inverted as points: ONNX would turn them round, Caffe has them
    overlap nothing."""
    pairs = (*boxes.shape[:-1], 2)
    low, high = _cut(e, boxes, 0, 2), _cut(e, boxes, 2, 4)
    high = e.add("Max", [low, high], pairs)
    return e.add("Concat", [low, high], boxes.shape, axis=2)


def _best(e: Emission, scores: Value, most: int) -> Value:
    """The scores (batch, classes, priors) of each class's best; the others as low as can be."""
    if most >= scores.shape[2]:
        return scores
    values, _ = _top(e, scores, most)
    limits = [_whole(e, [n]) for n in (most - 1, most, 2)]
    last = e.add("Slice", [values, *limits], (*scores.shape[:2], 1))
    enough = e.add("GreaterOrEqual", [scores, last], scores.shape)
    return e.add("Where", [enough, scores, e.constant(LEAST, "least")], scores.shape)


def _top(e: Emission, scores: Value, most: int) -> tuple[Value, Value]:
    """The largest along the last axis, and their indices."""
    shape = (*scores.shape[:-1], most)
    values = e.add("TopK", [scores, _whole(e, [most])], shape, axis=len(shape) - 1)
    index = e.name("end/TopK_index")
    e.nodes[-1].output.append(index)
    return values, replace(values, name=index, kind=np.int64)


def _rows(
    e: Emission, boxes: Value, scores: Value, labels: list[int], count: int, most: int
) -> Value:
    values, index = _top(e, scores, most)
    batch, shape = scores.shape[0], (scores.shape[0], most)
    number = e.add("Div", [index, _whole(e, count)], shape, whole=True)
    prior = e.add("Mod", [index, _whole(e, count)], shape, whole=True)
    names = e.constant(np.asarray(labels, np.float32), "labels")
    label = e.add("Gather", [names, number], shape, axis=0)
    place = e.add("Unsqueeze", [prior, _whole(e, [2])], (*shape, 1), whole=True)
    chosen = e.add("GatherND", [boxes, place], (*shape, 4), batch_dims=1)
    real = e.add("Greater", [values, e.constant(LEAST, "least")], shape)
    nothing = e.constant(0.0, "nothing")
    columns = []
    for value, filler in ((label, e.constant(-1.0, "none")), (values, nothing)):
        cell = e.add("Where", [real, value, filler], shape)
        columns.append(e.add("Unsqueeze", [cell, _whole(e, [2])], (*shape, 1)))
    wide = e.add("Unsqueeze", [real, _whole(e, [2])], (*shape, 1))
    columns.append(e.add("Where", [wide, chosen, nothing], (*shape, 4)))
    return e.add("Concat", columns, (batch, most, 6), axis=2)
