"""What an ncnn net ends with: its locations and confidences, or detections."""

from __future__ import annotations

import numpy as np

from ssd_data.nets.detection import DetectionHead
from ssd_data.nets.layer_step import Array
from ssd_data.nets.ncnn.emission import Blob, NcnnEmission
from ssd_data.nets.ncnn.pointwise import MULTIPLY

MOST = 1 << 30


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


def raw_outputs(
    e: NcnnEmission, locations: Blob, confidences: Blob, head: DetectionHead, count: int
) -> dict[str, Blob]:
    """``locations`` (priors, 4) and ``confidences`` (priors, classes), before their activation;
    locations are (priors, classes, 4) where each class has its own."""
    e.prefix = "end"
    classes = head.settings["num_classes"]
    each = (4,) if head.settings["share_location"] else (classes, 4)
    return {
        "locations": e.reshape(e.held(locations), (1, count, *each)),
        "confidences": e.reshape(e.held(confidences), (1, count, classes)),
    }


def detections(
    e: NcnnEmission,
    locations: Blob,
    confidences: Blob,
    head: DetectionHead,
    priors: tuple[Array, Array],
) -> dict[str, Blob]:
    """``detections`` (found, 6): label, score, xmin, ymin, xmax, ymax; nothing where none is found.

    ncnn leaves boxes undecoded whose background scores 1 - ``confidence_threshold`` or more. So
    that this cannot matter, the background's score is made 0: it is no class that is looked for.

    Args:
        priors: boxes and variances, each (N, 4).
    """
    e.prefix = "end"
    settings, (boxes, variances) = head.settings, priors
    count, classes = len(boxes), settings["num_classes"]
    scores = e.reshape(e.held(confidences), (1, count, classes))
    if head.activation == "softmax":
        scores = e.add("Softmax", [scores], scores.shape, {0: 1, 1: 1})
    elif head.activation == "sigmoid":
        scores = e.add("Sigmoid", [scores], scores.shape)
    used = np.ones((1, 1, classes), np.float32)
    used[..., 0] = 0
    scores = e.add("BinaryOp", [scores, e.constant(used)], scores.shape, {0: MULTIPLY})
    scores = e.reshape(scores, (1, count * classes))
    encoded = settings["variance_encoded_in_target"]
    both = np.stack([boxes.reshape(-1), (variances * 0 + 1 if encoded else variances).reshape(-1)])
    held = e.constant(np.asarray(both, np.float32)[None])
    params = {
        0: classes,
        1: float(settings["nms_threshold"]),
        2: _most(settings["top_k"]),
        3: _most(settings["keep_top_k"]),
        4: float(settings["confidence_threshold"]),
    }
    flat = e.reshape(e.held(locations), (1, count * 4))
    found = e.add("DetectionOutput", [flat, scores, held], (1, 1, 6), params)
    return {"detections": found}


def _most(number: int) -> int:
    return number if number >= 0 else MOST
