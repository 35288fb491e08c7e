"""What an ncnn net ends with: its locations and confidences, or detections."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ssd_data.nets.detection import DetectionHead
from ssd_data.nets.layer_step import Array
from ssd_data.nets.ncnn.emission import NcnnBlob, NcnnEmission
from ssd_data.nets.ncnn.pointwise import MULTIPLY

MOST = 1 << 30
MOST_FLOAT = 3e38


def why_not(head: DetectionHead) -> str:
    """What keeps ncnn's DetectionOutput from doing the same, or nothing."""
    settings = head.settings
    if settings["code_type"] != "CENTER_SIZE":
        return f"ncnn decodes no code_type {settings['code_type']}"
    if not settings["share_location"]:
        return "ncnn has no boxes of each class"
    if settings["background_label_id"] != 0:
        return "ncnn's background is class 0"
    if settings["num_classes"] < 2:
        return "the net knows no class but the background"
    if settings["eta"] < 1:
        return "ncnn has no eta"
    none = [name for name in ("top_k", "keep_top_k") if settings[name] == 0]
    return f"{none[0]} is 0: nothing is found" if none else ""


@dataclass(frozen=True, slots=True, eq=False)
class NcnnEnd:
    """A net's head, as written, and what is known of it.

    Attributes:
        locations, confidences: in any shape.
        boxes, variances: priors, float32 (N, 4).
        head: what the net says of it.
    """

    emission: NcnnEmission
    locations: NcnnBlob
    confidences: NcnnBlob
    boxes: Array
    variances: Array
    head: DetectionHead

    def reshape(self, blob: NcnnBlob, *shape: int) -> NcnnBlob:
        """The same values in another shape, without the batch."""
        self.emission.prefix = "end/reshape"
        return self.emission.reshape(self.emission.held(blob), (1, *shape))


def raw_outputs(end: NcnnEnd) -> dict[str, NcnnBlob]:
    """``locations`` (priors, 4) and ``confidences`` (priors, classes), before their activation;
    locations are (priors, classes, 4) where each class has its own."""
    classes, count = end.head.settings["num_classes"], len(end.boxes)
    each = (4,) if end.head.settings["share_location"] else (classes, 4)
    return {
        "locations": end.reshape(end.locations, count, *each),
        "confidences": end.reshape(end.confidences, count, classes),
    }


def detections(end: NcnnEnd) -> dict[str, NcnnBlob]:
    """``detections`` (found, 6): label, score, xmin, ymin, xmax, ymax; nothing where none is found.

    ncnn leaves boxes undecoded whose background scores 1 - ``confidence_threshold`` or more. So
    that this cannot matter, the background's score is made 0: it is no class that is looked for.
    """
    e, settings, boxes = end.emission, end.head.settings, end.boxes
    scores, priors = _scores(end), _priors(end)
    flat = end.reshape(end.locations, len(boxes) * 4)
    e.prefix = end.head.node.name
    params = {
        0: settings["num_classes"],
        1: min(settings["nms_threshold"], 1.0),  # no two overlap by more
        2: _most(settings["top_k"]),
        3: _most(settings["keep_top_k"]),
        4: min(settings["confidence_threshold"], MOST_FLOAT),
    }
    return {"detections": e.add("DetectionOutput", [flat, scores, priors], (1, 1, 6), params)}


def _scores(end: NcnnEnd) -> NcnnBlob:
    """In one row, the background's 0."""
    e, count, classes = end.emission, len(end.boxes), end.head.settings["num_classes"]
    scores = end.reshape(end.confidences, count, classes)
    e.prefix = "end/scores"
    if end.head.activation == "softmax":
        scores = e.add("Softmax", [scores], scores.shape, {0: 1, 1: 1})
    elif end.head.activation == "sigmoid":
        scores = e.add("Sigmoid", [scores], scores.shape)
    used = np.ones((1, 1, classes), np.float32)
    used[..., 0] = 0
    e.prefix = "end/foreground"
    scores = e.add("BinaryOp", [scores, e.constant(used)], scores.shape, {0: MULTIPLY})
    return end.reshape(scores, count * classes)


def _priors(end: NcnnEnd) -> NcnnBlob:
    """Boxes, and below them what locations are multiplied by."""
    encoded = end.head.settings["variance_encoded_in_target"]
    factors = np.ones_like(end.variances) if encoded else end.variances
    both = np.stack([end.boxes.reshape(-1), factors.reshape(-1)])
    end.emission.prefix = "end/priors"
    return end.emission.constant(np.asarray(both, np.float32)[None])


def _most(number: int) -> int:
    return number if number >= 0 else MOST
