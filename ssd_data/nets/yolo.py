"""What YoloDetectionOutput and Yolov3DetectionOutput find, in NumPy.

Formulas: eric612/MobileNet-YOLO, ``src/caffe/layers/yolo_detection_output_layer.cpp`` and
``yolov3_detection_output_layer.cpp``. Its code keeps the boxes of a whole batch in one heap, as if
all were the first picture's; here each picture has its own, which is the same for a batch of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ssd_data.nets.geometry import shape_text
from ssd_data.nets.graph import Node

Array = npt.NDArray[np.float32]
MOST_BOXES = 1 << 14  # of a picture, by falling score: suppression compares each with each


@dataclass(frozen=True, slots=True)
class YoloSettings:
    """What the layer says, checked.

    Attributes:
        classes: without a background. boxes: at each place.
        anchors: for each bottom (boxes, 2): width and height; pixels in version 3, else places.
        scales: for each bottom, pixels of the input from one place to the next; 0 in version 2,
            whose anchors are in places.
        threshold: a box's score must be above it, in version 2 not below it.
        nms_threshold: a box goes that overlaps a better one by this or more, of any class.
    """

    classes: int
    boxes: int
    anchors: tuple[Array, ...]
    scales: tuple[int, ...]
    threshold: float
    nms_threshold: float

    @property
    def third(self) -> bool:
        """Whether it is version 3's."""
        return all(self.scales)


def yolo_settings(node: Node) -> YoloSettings:
    """A node's settings.

    Raises:
        LayerError: a number is missing, or they contradict one another.
    """
    third = node.type == "Yolov3DetectionOutput"
    p: Any = node.param.yolov3_detection_output_param
    p = p if third else node.param.yolo_detection_output_param
    if not p.HasField("num_classes") or not p.num_classes or not p.num_box:
        raise node.error("has no num_classes or no num_box above 0")
    if len(p.biases) % 2 or not all(0 < b < np.inf for b in p.biases):
        raise node.error("biases are not pairs of numbers above 0")
    known = np.array(p.biases, np.float32).reshape(-1, 2)
    count = len(node.bottoms)
    chosen, scales = _masks(node, p, count) if third else ([range(p.num_box)] * count, [0] * count)
    if any(i >= len(known) for own in chosen for i in own):
        raise node.error(f"has {len(known)} pairs of biases, and reads one behind them")
    anchors = tuple(known[list(own)] for own in chosen)
    return YoloSettings(
        p.num_classes, p.num_box, anchors, tuple(scales), p.confidence_threshold, p.nms_threshold
    )


def _masks(node: Node, p: Any, count: int) -> tuple[list[list[int]], list[int]]:
    """Which anchors each bottom has, and its scale."""
    if p.gaussian_box:
        raise node.error("gaussian_box is not supported", "Its fork's own code reads other values")
    if p.mask_group_num != count or len(p.anchors_scale) < count:
        raise node.error(
            f"has {count} bottoms, mask_group_num {p.mask_group_num} and "
            f"{len(p.anchors_scale)} anchors_scale"
        )
    each = len(p.mask) // count
    if each < p.num_box:
        raise node.error(f"has {len(p.mask)} masks for {count} bottoms of {p.num_box} boxes")
    chosen = [list(p.mask[i * each : i * each + p.num_box]) for i in range(count)]
    scales = list(p.anchors_scale[:count])
    if not all(scales):
        raise node.error("an anchors_scale is 0")
    return chosen, scales


def check_maps(node: Node, settings: YoloSettings, shapes: Sequence[Sequence[int]]) -> None:
    """Whether the bottoms have the channels that the settings want.

    Raises:
        LayerError: they do not.
    """
    wanted = settings.boxes * (5 + settings.classes)
    for shape in shapes:
        if len(shape) != 4 or shape[1] != wanted:
            raise node.error(
                f"reads {shape_text(shape)}; {settings.boxes} boxes of {settings.classes} classes "
                f"want {wanted} channels"
            )
        if not settings.third and shape[2] != shape[3]:
            raise node.error(f"reads a map of {shape[3]}x{shape[2]}, which is not square")


@np.errstate(over="ignore", invalid="ignore")  # of a broken net's values: they are no boxes
def yolo_output(maps: Sequence[Array], settings: YoloSettings) -> Array:
    """Detections, float32 (N, 7): picture, label from 1 on, score, xmin, ymin, xmax, ymax.

    They are sorted by picture and falling score; boxes are fractions, not clipped.

    Args:
        maps: for each bottom (batch, boxes · (5 + classes), height, width).
    """
    found = []
    for picture in range(len(maps[0])):
        parts = [_of_map(values[picture], settings, i) for i, values in enumerate(maps)]
        rows = np.concatenate(parts)
        rows = rows[np.isfinite(rows).all(1)]
        rows = rows[np.argsort(-rows[:, 1], kind="stable")][:MOST_BOXES]
        rows = rows[_apart(rows[:, 2:], settings.nms_threshold)]
        half = rows[:, 4:] / 2
        sides = [rows[:, 2:4] - half, rows[:, 2:4] + half]
        first = np.full((len(rows), 1), picture, np.float32)
        found.append(np.concatenate([first, rows[:, :2], *sides], 1))
    return np.concatenate(found).astype(np.float32)


def _of_map(values: Array, settings: YoloSettings, index: int) -> Array:
    """Rows of label, score, middle, width and height, of one picture's map."""
    height, width = values.shape[1:]
    table = np.asarray(values, np.float32).reshape(settings.boxes, -1, height, width)
    certain = _sigmoid(table[:, 4, None])
    if settings.third:
        scores = _sigmoid(table[:, 5:]) * certain
        box, label, row, column = np.nonzero(scores > np.float32(settings.threshold))
        score = scores[box, label, row, column]
    else:
        scores = _softmax(table[:, 5:]) * certain
        best = scores.max(1)
        box, row, column = np.nonzero(best >= np.float32(settings.threshold))
        label, score = scores.argmax(1)[box, row, column], best[box, row, column]
    x, y, w, h = (table[box, i, row, column] for i in range(4))
    scale = settings.scales[index] or 1
    anchors = settings.anchors[index][box]
    sides = (
        np.exp(np.stack([w, h], 1))
        * anchors
        / np.array([width * scale, height * scale], np.float32)
    )
    middle = np.stack([(column + _sigmoid(x)) / width, (row + _sigmoid(y)) / height], 1)
    return np.concatenate([label[:, None] + 1, score[:, None], middle, sides], 1).astype(np.float32)


def _apart(boxes: Array, threshold: float) -> npt.NDArray[np.bool_]:
    """Which boxes (middle and sides, by falling score) stay: bool (N,)."""
    low, high = boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2
    areas = boxes[:, 2] * boxes[:, 3]
    stays = np.ones(len(boxes), bool)
    for i in range(len(boxes)):
        if not stays[i]:
            continue
        edges = np.minimum(high[i], high[i + 1 :]) - np.maximum(low[i], low[i + 1 :])
        common = np.where((edges < 0).any(1), 0, edges[:, 0] * edges[:, 1])
        overlap = common / (areas[i] + areas[i + 1 :] - common)
        stays[i + 1 :] &= ~(overlap >= threshold)
    return stays


def _sigmoid(values: Array) -> Array:
    small = np.exp(-np.abs(values))
    return np.where(values >= 0, 1 / (1 + small), small / (1 + small)).astype(np.float32)


def _softmax(values: Array) -> Array:
    """Over axis 1."""
    powers = np.exp(values - values.max(1, keepdims=True))
    shares: Array = powers / powers.sum(1, keepdims=True)
    return shares
