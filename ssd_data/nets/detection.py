"""What a detector's DetectionOutput says, and where a net can be cut before it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ssd_data.core.errors import InputError
from ssd_data.nets.graph import Graph, Node, to_graph
from ssd_data.proto import caffe_pb2

DETECTION_TYPE = "DetectionOutput"
ALL = float(-np.finfo(np.float32).max)  # the threshold where none is given
_ACTIVATIONS = {"Softmax": "softmax", "Sigmoid": "sigmoid"}
_SAME_VALUES = ("Flatten", "Reshape", "Split")


@dataclass(frozen=True, slots=True)
class Heads:
    """The end of a detector.

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


def find_detection(graph: Graph) -> int:
    """Index of the one DetectionOutput.

    Raises:
        InputError: the net has none, several, or one without three bottoms.
    """
    found = [i for i, node in enumerate(graph.nodes) if node.type == DETECTION_TYPE]
    if len(found) != 1:
        count = "no DetectionOutput" if not found else f"{len(found)} DetectionOutputs"
        raise InputError(
            f"the net has {count}",
            where=graph.origin,
            hint="Give the deploy net of a detector; ssd-data model writes one",
        )
    node = graph.nodes[found[0]]
    if len(node.bottoms) != 3:
        raise InputError(f"has {len(node.bottoms)} bottoms, not 3", where=node.where)
    return found[0]


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
    wanted = (4 * priors * each, priors * classes)
    if (locations, scores) == wanted:
        return ""
    return (
        f"{priors} priors and {classes} classes want {wanted[0]} locations and {wanted[1]} "
        f"confidences, not {locations} and {scores}"
    )


def find_heads(graph: Graph) -> Heads:
    """Where the net ends before its DetectionOutput, a Softmax or Sigmoid before it left out.

    A Softmax over anything but the classes stays in the net.

    Raises:
        InputError: see :func:`find_detection`.
    """
    end = find_detection(graph)
    node = graph.nodes[end]
    settings = detection_settings(node.param.detection_output_param)
    classes = settings["num_classes"]
    index, blob, activation = end, node.bottoms[1], "none"
    passed = {end}
    while True:
        before = _writer(graph, blob, index)
        if before is None or _read_elsewhere(graph, blob, before, passed):
            break
        other = graph.nodes[before]
        if len(other.bottoms) != 1 or len(other.tops) != 1:
            break
        if other.type in _ACTIVATIONS and activation == "none":
            if other.type == "Softmax" and not _over_classes(graph, before, classes):
                break
            activation = _ACTIVATIONS[other.type]
        elif other.type not in _SAME_VALUES:
            break
        passed.add(before)
        index, blob = before, other.bottoms[0]
    locations, _, priors = node.bottoms
    return Heads(node, locations, blob, priors, activation, settings, frozenset(passed))


def _writer(graph: Graph, blob: str, before: int) -> int | None:
    """Index of the layer that last wrote a blob."""
    found = [i for i in range(before) if blob in graph.nodes[i].tops]
    return found[-1] if found else None


def _read_elsewhere(graph: Graph, blob: str, writer: int, known: Collection[int]) -> bool:
    readers = [i for i in range(writer + 1, len(graph.nodes)) if blob in graph.nodes[i].bottoms]
    return any(i not in known for i in readers)


def _over_classes(graph: Graph, index: int, classes: int) -> bool:
    """Whether a Softmax goes over the last axis of what a Reshape made a row a prior."""
    node = graph.nodes[index]
    before = _writer(graph, node.bottoms[0], index)
    if before is None or graph.nodes[before].type != "Reshape":
        return False
    p = graph.nodes[before].param.reshape_param
    dims = list(p.shape.dim)
    plain = p.axis == 0 and p.num_axes == -1 and len(dims) == 3 and dims[0] == 0
    return plain and dims[2] == classes and node.param.softmax_param.axis in (2, -1)


def cut(graph: Graph, blobs: Iterable[str], without: Collection[int]) -> Graph:
    """The part of a net that computes some blobs, which become its outputs.

    Args:
        without: indices of layers that are left out; those that only they need go too.

    Raises:
        InputError: nothing is left.
    """
    wanted = set(blobs)
    kept = []
    for index in range(len(graph.nodes) - 1, -1, -1):
        node = graph.nodes[index]
        if index not in without and wanted & set(node.tops):
            wanted |= set(node.bottoms)
            kept.append(node.param)
    net = caffe_pb2.NetParameter(name=graph.net.name)
    net.layer.extend(reversed(kept))
    return to_graph(net, graph.phase, origin=graph.origin)
