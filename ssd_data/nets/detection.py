"""A detector's head: its DetectionOutput, what leads to it, and where to cut before it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ssd_data.core.errors import InputError
from ssd_data.nets.graph import Graph, Node, Wiring
from ssd_data.proto import caffe_pb2

DETECTION_TYPE = "DetectionOutput"
# All that give DetectionOutput's rows, and the message with their confidence_threshold.
DETECTION_PARAMS = {
    DETECTION_TYPE: "detection_output_param",
    "YoloDetectionOutput": "yolo_detection_output_param",
    "Yolov3DetectionOutput": "yolov3_detection_output_param",
}
ALL = float(-np.finfo(np.float32).max)  # the threshold where none is given
_ACTIVATIONS = {"Softmax": "softmax", "Sigmoid": "sigmoid"}
_SAME_VALUES = ("Flatten", "Reshape", "Split")
_READS_CONFIDENCES = ("MultiBoxLoss", "MultiBoxFocalLoss", DETECTION_TYPE)
_KEEPS_ORDER = (*_SAME_VALUES, *_ACTIVATIONS, "Permute", "Concat", "Dropout")


@dataclass(frozen=True, slots=True)
class DetectionHead:
    """What a detector ends with.

    Attributes:
        node: its DetectionOutput.
        locations, confidences, priors: names of the blobs; the confidences before ``activation``.
        activation: "softmax", "sigmoid", or "none" where the confidences are scores.
        settings: what the DetectionOutput says, as :mod:`ssd_data.nets.postprocess` takes it.
        without: indices of the layers between the confidences and the DetectionOutput, and its own.
    """

    node: Node
    locations: str
    confidences: str
    priors: str
    activation: str
    settings: dict[str, Any]
    without: frozenset[int]


@dataclass(frozen=True, slots=True)
class ConfidenceLayers:
    """The layers that give a detector's confidences.

    Each is a Convolution whose outputs are ordered by prior, then by class: Permute to (batch,
    height, width, outputs), Flatten and Concat make the row that MultiBoxLoss and DetectionOutput
    read.

    Attributes:
        layers: indices of the Convolutions, in the net's order.
        classes: ``num_classes``, with the background.
        others: layers between one of them and the end whose outputs are not ordered by class.
    """

    layers: tuple[int, ...]
    classes: int
    others: tuple[Node, ...]


def find_detections(graph: Graph) -> list[int]:
    """Indices of the layers that give detections: DetectionOutputs, or YOLO's.

    Raises:
        InputError: the net has none, or one has no top.
    """
    found = [i for i, node in enumerate(graph.nodes) if node.type in DETECTION_PARAMS]
    if not found:
        raise _error(graph, "no DetectionOutput")
    for i in found:
        if not graph.nodes[i].tops:
            raise graph.nodes[i].error("has no top for its detections")
    return found


def detection_blob(graph: Graph) -> str:
    """Name of the blob with the detections.

    Raises:
        InputError: the net has no DetectionOutput.
    """
    return graph.nodes[find_detections(graph)[0]].tops[0]


def detection_thresholds(node: Node) -> caffe_pb2.DetectionOutputParameter:
    """The thresholds of a layer that gives detections, as a DetectionOutput would say them."""
    if node.type == DETECTION_TYPE:
        return node.param.detection_output_param
    p = getattr(node.param, DETECTION_PARAMS[node.type])
    made = caffe_pb2.DetectionOutputParameter(confidence_threshold=p.confidence_threshold)
    made.nms_param.nms_threshold = p.nms_threshold
    return made


def _error(graph: Graph, has: str) -> InputError:
    hint = "Give the deploy net of a detector; ssd-data model writes one"
    return InputError(f"the net has {has}", where=graph.origin, hint=hint)


def detection_bottoms(node: Node) -> tuple[str, str, str]:
    """A DetectionOutput's locations, confidences and priors; pictures to ``visualize`` may follow.

    Raises:
        LayerError: it has fewer or more bottoms.
    """
    if not 3 <= len(node.bottoms) <= 4:
        raise node.error(f"has {len(node.bottoms)} bottoms, not 3 or 4")
    return node.bottoms[0], node.bottoms[1], node.bottoms[2]


def detection_settings(param: caffe_pb2.DetectionOutputParameter) -> dict[str, Any]:
    """A ``detection_output_param`` for :func:`ssd_data.nets.postprocess.detection_output`."""
    nms = param.nms_param
    least = param.confidence_threshold if param.HasField("confidence_threshold") else ALL
    return {
        "num_classes": param.num_classes,
        "background_label_id": param.background_label_id,
        "share_location": param.share_location,
        "code_type": caffe_pb2.PriorBoxParameter.CodeType.Name(param.code_type),
        "variance_encoded_in_target": param.variance_encoded_in_target,
        "confidence_threshold": _short(least),
        "nms_threshold": _short(nms.nms_threshold),
        "eta": _short(nms.eta),
        "top_k": nms.top_k if nms.HasField("top_k") else -1,
        "keep_top_k": param.keep_top_k,
    }


def _short(value: float) -> float:
    """A float32 as people write it."""
    return float(str(np.float32(value)))


def check_settings(settings: dict[str, Any], locations: int, scores: int, priors: int) -> str:
    """What is wrong with the numbers of a picture's locations, scores and priors, or nothing."""
    classes = settings["num_classes"]
    each = 1 if settings["share_location"] else classes
    if classes < 1:
        return "detection_output_param has no num_classes"
    if not settings["nms_threshold"] >= 0 or not 0 < settings["eta"] <= 1:
        return "nms_threshold must not be negative, eta lie in (0, 1]"
    if math.isnan(settings["confidence_threshold"]):
        return "confidence_threshold is no number"
    wanted = (4 * priors * each, priors * classes)
    if (locations, scores) == wanted:
        return ""
    return (
        f"{priors} priors and {classes} classes want {wanted[0]} locations and {wanted[1]} "
        f"confidences, not {locations} and {scores}"
    )


def find_detection_head(graph: Graph) -> DetectionHead:
    """Where the net ends before its DetectionOutput, a Softmax or Sigmoid before it left out.

    A Softmax over anything but the classes stays in the net.

    Raises:
        InputError: the net has no DetectionOutput, several, or one that has not three bottoms (or
            four, of which the last, pictures to ``visualize``, is not read).
    """
    end, *more = find_detections(graph)
    if more:
        raise _error(graph, f"{1 + len(more)} DetectionOutputs")
    node, wiring = graph.nodes[end], graph.wiring()
    if node.type != DETECTION_TYPE:
        raise node.error(
            f"is a {node.type}, which has no priors and is not taken apart yet",
            "Nets with it are detected and scored with; deploy takes nets with a DetectionOutput",
        )
    locations, confidences, priors = detection_bottoms(node)
    settings = detection_settings(node.param.detection_output_param)
    version, activation, passed = wiring.bottoms[end][1], "none", {end}
    while passed.issuperset(wiring.readers[version]):
        index = wiring.writers[version]
        before = graph.nodes[index]
        if len(before.bottoms) != 1 or len(before.tops) != 1:
            break
        if before.type in _ACTIVATIONS and activation == "none":
            softmax = before.type == "Softmax"
            if softmax and not _over_classes(graph, wiring, index, settings["num_classes"]):
                break
            activation = _ACTIVATIONS[before.type]
        elif before.type not in _SAME_VALUES:
            break
        passed.add(index)
        version, confidences = wiring.bottoms[index][0], before.bottoms[0]
    return DetectionHead(
        node, locations, confidences, priors, activation, settings, frozenset(passed)
    )


def _over_classes(graph: Graph, wiring: Wiring, index: int, classes: int) -> bool:
    """Whether a Softmax goes over the last axis of what a Reshape made a row a prior."""
    before = graph.nodes[wiring.writers[wiring.bottoms[index][0]]]
    p = before.param.reshape_param
    dims = list(p.shape.dim)
    plain = p.axis == 0 and p.num_axes == -1 and len(dims) == 3 and dims[0] == 0
    last = graph.nodes[index].param.softmax_param.axis in (2, -1)
    return before.type == "Reshape" and plain and dims[2] == classes and last


def find_confidence_layers(graph: Graph) -> ConfidenceLayers:
    """The layers that give a detector's confidences, of a net to train or to deploy.

    Raises:
        InputError: the net has neither MultiBoxLoss nor DetectionOutput, they disagree about
            ``num_classes``, or no Convolution leads to them.
    """
    wiring, nodes = graph.wiring(), graph.nodes
    ends = [i for i, n in enumerate(nodes) if n.type in _READS_CONFIDENCES and len(n.bottoms) > 2]
    if not ends:
        raise InputError(
            "has neither MultiBoxLoss nor DetectionOutput: no detector",
            where=graph.origin,
            hint="Give the prototxt that the detector is trained with",
        )
    counts = {_classes(nodes[i]) for i in ends}
    if len(counts) > 1:
        raise InputError(f"has layers of {sorted(counts)} num_classes", where=graph.origin)
    found: set[int] = set()
    others: dict[int, Node] = {}
    waiting = [wiring.writers[wiring.bottoms[i][1]] for i in ends]
    seen: set[int] = set()
    while waiting:
        index = waiting.pop()
        if index in seen:
            continue
        seen.add(index)
        node = nodes[index]
        if node.type == "Convolution":
            found.add(index)
            continue
        # A Permute must bring the outputs behind the places they are at.
        moves = node.type == "Permute" and list(node.param.permute_param.order) != [0, 2, 3, 1]
        if moves or node.type not in _KEEPS_ORDER:
            others[index] = node
        waiting += [wiring.writers[version] for version in wiring.bottoms[index]]
    if not found:
        raise InputError("no Convolution leads to its confidences", where=graph.origin)
    return ConfidenceLayers(tuple(sorted(found)), counts.pop(), tuple(others.values()))


def _classes(node: Node) -> int:
    if node.type == DETECTION_TYPE:
        return node.param.detection_output_param.num_classes
    return node.param.multibox_loss_param.num_classes
