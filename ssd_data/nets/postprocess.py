"""What follows an SSD net: locations and confidences to detections, as Caffe's DetectionOutput.

This file depends on NumPy alone, and stands alone: deployed nets have a copy of it. What it needs
to know of a net is in ``preprocess.json`` beside the copy, and the prior boxes in ``priors.npy``:

    from postprocess import Detector
    detector = Detector("folder")
    batch = detector.prepare(picture)[None]          # a picture of the net's size, BGR or gray
    rows = detector(locations, confidences)          # the net's outputs

Formulas: weiliu89/caffe, ``src/caffe/util/bbox_util.cpp`` and ``detection_output_layer.cpp``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Detector:
    """A net's post-processing.

    Args:
        folder: holds ``preprocess.json`` and ``priors.npy``.
    """

    def __init__(self, folder: Path | str) -> None:
        self.table = json.loads((Path(folder) / "preprocess.json").read_text("utf-8"))
        file = Path(folder) / "priors.npy"
        self.priors = np.load(file) if file.exists() else None  # boxes may be decoded already

    def prepare(self, picture: Array) -> Array:
        """A net's input, float32 (channels, height, width), of a picture (height, width, 3), BGR,
        or (height, width), gray; as that lies where the net wants channels last, and as it is where
        the net subtracts the mean itself."""
        given = self.table["input"]
        values = picture.reshape(*picture.shape[:2], -1)
        if values.shape[2] != len(given["mean"]):
            wants = "is to be gray: (height, width)" if len(given["mean"]) == 1 else "is to be BGR"
            raise ValueError(f"the picture {wants}, not {picture.shape}")
        if given.get("type") == "uint8":  # the net subtracts the mean itself
            return values
        values = values.astype(np.float32) - np.float32(given["mean"])
        values *= np.float32(given["scale"])
        last = given.get("layout") == "NHWC"
        return values if last else np.ascontiguousarray(values.transpose(2, 0, 1))

    def joined(self, outputs: Sequence[Array]) -> tuple[Array, Array]:
        """Locations and confidences of one picture, of the outputs of a net that ends map by map
        (each batch, channels, height, width): as Permute, Flatten and Concat."""
        order, heads = list(self.table["outputs"]), []
        for head, names in self.table["net"]["maps"].items():
            maps = [outputs[order.index(name)] for name in names]
            parts = maps if names == [head] else [values.transpose(0, 2, 3, 1) for values in maps]
            heads.append(np.concatenate([part.reshape(1, -1) for part in parts], 1))
        settings = self.table["detection"]
        each = (4,) if settings["share_location"] else (settings["num_classes"], 4)
        locations, confidences = heads
        return (
            locations.reshape(1, -1, *each),
            confidences.reshape(1, -1, settings["num_classes"]),
        )

    def __call__(self, locations: Array, confidences: Array) -> Array:
        """The detections of a batch, see :func:`detection_output`."""
        settings = self.table["detection"]
        scores = activate(confidences, settings["activation"], settings["num_classes"])
        variances = np.array(settings.get("variances", 1), np.float32)
        return detection_output(locations, scores, self.priors, variances, settings)


def activate(confidences: Array, kind: str, classes: int) -> Array:
    """Confidences (batch, priors · classes, in any shape) to scores (batch, priors, classes).

    Args:
        kind: "softmax" (over the classes), "sigmoid", or "none" where they are scores already.
    """
    values: Array = np.asarray(confidences, np.float32).reshape(len(confidences), -1, classes)
    if kind == "sigmoid":
        # The exponent of what is below 0 alone: no overflow.
        small = np.exp(-np.abs(values))
        values = np.where(values >= 0, 1 / (1 + small), small / (1 + small))
    elif kind == "softmax":
        values = np.exp(values - values.max(2, keepdims=True))
        values /= values.sum(2, keepdims=True)
    elif kind != "none":
        raise ValueError(f"activation is {kind!r}, none of softmax, sigmoid, none")
    return values


@np.errstate(over="ignore", invalid="ignore")  # of a broken net's values: they are no boxes
def decode(
    locations: Array, priors: Array | None, variances: Array, code_type: str, encoded: bool = False
) -> Array:
    """Boxes (…, 4), fractions of the picture, xmin ymin xmax ymax, not clipped.

    Args:
        locations: (…, 4) as the net gives them.
        priors: (…, 4) fractions. variances: (4,) or (…, 4).
        code_type: "CENTER_SIZE", "CORNER", "CORNER_SIZE"; or "DECODED" where they are boxes.
        encoded: whether the variances are in the locations already.
    """
    if code_type == "DECODED" or priors is None:
        return locations
    if not encoded:
        locations = locations * variances
    if code_type == "CORNER":
        return priors + locations
    size = priors[..., 2:] - priors[..., :2]
    if code_type == "CORNER_SIZE":
        moved: Array = priors + locations * np.concatenate([size, size], -1)
        return moved
    if code_type != "CENTER_SIZE":
        raise ValueError(f"code_type is {code_type!r}")
    centre = locations[..., :2] * size + (priors[..., :2] + priors[..., 2:]) / 2
    half = np.exp(locations[..., 2:]) * size / 2
    return np.concatenate([centre - half, centre + half], -1)


@np.errstate(over="ignore", invalid="ignore")
def detection_output(
    locations: Array,
    scores: Array,
    priors: Array | None,
    variances: Array,
    settings: dict[str, Any],
) -> Array:
    """Detections, float32 (N, 7): picture, label, score, xmin, ymin, xmax, ymax.

    They are sorted by picture, label and falling score; boxes are fractions, not clipped.

    Args:
        locations: (batch, priors · 4), or (batch, priors · classes · 4) where each class has its
            own; in any shape.
        scores: (batch, priors · classes), in any shape.
        priors: (priors, 4); none where boxes are decoded. variances: (4,) or (priors, 4).
        settings: ``num_classes``, ``background_label_id`` (-1 for none), ``share_location``,
            ``code_type``, ``variance_encoded_in_target``, ``confidence_threshold``,
            ``nms_threshold``, ``eta``, ``top_k`` and ``keep_top_k`` (-1 for all).
    """
    pictures, classes = len(scores), settings["num_classes"]
    table = np.asarray(scores, np.float32).reshape(pictures, -1, classes).transpose(0, 2, 1)
    count = table.shape[2]
    found = _candidates(table.reshape(-1, count), settings)
    group, prior = found
    picture, label = group // classes, group % classes
    places = np.asarray(locations, np.float32).reshape(pictures, count, -1, 4)
    chosen = places[picture, prior, 0 if settings["share_location"] else label]
    own = variances if variances.ndim < 2 else variances[prior]
    boxes = decode(
        chosen,
        None if priors is None else priors[prior],
        own,
        settings["code_type"],
        settings["variance_encoded_in_target"],
    )
    most = settings["keep_top_k"]
    stays = suppress(boxes, group, settings["nms_threshold"], settings["eta"], most)
    score = table[picture, label, prior]
    rows = np.concatenate([np.stack([picture, label, score], 1), boxes], 1)[stays]
    return _best(rows.astype(np.float32), most)


def _candidates(scores: Array, settings: dict[str, Any]) -> tuple[Array, Array]:
    """Group (picture · classes + label) and prior of what is above the threshold, the ``top_k``
    best of each group, by group and falling score. Of equal scores the first prior is the better.
    """
    count = scores.shape[1]
    most, background = settings["top_k"], settings["background_label_id"]
    above = scores > settings["confidence_threshold"]
    if 0 <= background < settings["num_classes"]:
        above[background :: settings["num_classes"]] = False
    if 0 < most < count:  # what is no number is above nothing
        last = np.partition(np.where(above, scores, -np.inf), count - most, 1)[:, count - most]
        above &= scores >= last[:, None]
    group, prior = np.nonzero(above)
    order = np.lexsort((-scores[group, prior], group))
    group, prior = group[order], prior[order]
    if most >= 0:
        kept = _ranks(group) < most
        group, prior = group[kept], prior[kept]
    return group, prior


def suppress(
    boxes: Array, group: Array, threshold: float, eta: float = 1.0, most: int = -1
) -> Array:
    """Non-maximum suppression within groups: which boxes stay, bool (N,).

    Args:
        boxes: (N, 4), by group and falling score.
        group: (N,) whole numbers that do not fall.
        threshold: a box goes that overlaps a better one that stays by more than this.
        eta: what a group's threshold is multiplied by after each box that stays, while it is
            above 0.5.
        most: how many of a group are wanted; -1 for all. The rest counts as gone.
    """
    if not len(boxes):
        return np.zeros(0, bool)
    place, number = _ranks(group), np.unique(group, return_inverse=True)[1]
    shape = (int(number[-1]) + 1, int(place.max()) + 1)
    sides = np.zeros((4, *shape), np.float32)  # all groups side by side, the k-th best at k
    sides[:, number, place] = boxes.T
    free = np.zeros(shape, bool)
    free[number, place] = True
    areas = np.where(_empty(sides), 0, (sides[2] - sides[0]) * (sides[3] - sides[1]))
    worst = np.full(shape, -1, np.float32)  # the largest overlap with one that stays
    limit = np.full(shape[0], threshold, np.float32)
    wanted = np.full(shape[0], most if most >= 0 else shape[1])
    for k in range(shape[1]):
        free[:, k] &= (worst[:, k] <= limit) & (wanted > 0)
        rows = np.flatnonzero(free[:, k])
        wanted[rows] -= 1
        if len(rows) and k + 1 < shape[1]:
            over = _overlap(sides[:, rows], areas[rows], k)
            worst[rows, k + 1 :] = np.maximum(worst[rows, k + 1 :], over)
        if eta < 1:
            limit[rows] *= np.where(limit[rows] > 0.5, np.float32(eta), 1)
    stays: Array = free[number, place]
    return stays


def _empty(sides: Array) -> Array:
    empty: Array = (sides[2] < sides[0]) | (sides[3] < sides[1])
    return empty


def _overlap(sides: Array, areas: Array, k: int) -> Array:
    """How far the k-th box of each group overlaps those behind it: intersection over union."""
    low = np.maximum(sides[:2, :, k + 1 :], sides[:2, :, k, None])
    high = np.minimum(sides[2:, :, k + 1 :], sides[2:, :, k, None])
    edges = np.maximum(high - low, 0)
    common = edges[0] * edges[1]
    union = areas[:, k + 1 :] + areas[:, k, None] - common
    result: Array = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    return result


def _best(rows: Array, most: int) -> Array:
    """The ``most`` best rows of each picture, in the rows' order."""
    if most < 0 or not len(rows):
        return rows
    order = np.lexsort((-rows[:, 2], rows[:, 0]))
    kept = order[_ranks(rows[order, 0]) < most]
    return rows[np.sort(kept)]


def _ranks(group: Array) -> Array:
    """Each element's place within its run of equal values."""
    if not len(group):
        return np.zeros(0, np.int64)
    starts = np.flatnonzero(np.r_[True, group[1:] != group[:-1]])
    counts = np.diff(np.r_[starts, len(group)])
    ranks: Array = np.arange(len(group)) - np.repeat(starts, counts)
    return ranks
