"""BatchNorm and Scale merged into the layer before them, found through the graph.

With y = W x + b the layer's own, BatchNorm gives s (y - mean) with s = 1 / sqrt(variance + eps),
and Scale gives gamma y + beta: both are y' = s y + t for each output, and W' = s W, b' = s b + t is
the same in one layer. Everything is computed in double precision and rounded once.

A layer stays where that would not be the same: the table of rows says why.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ssd_data.core.errors import UsageError
from ssd_data.nets.caffemodel import LayerWeights
from ssd_data.nets.edit.channels import by_output, linear_param
from ssd_data.nets.edit.merge_rules import MergeRules
from ssd_data.nets.geometry import shape_text
from ssd_data.nets.graph import Graph, Node, to_graph
from ssd_data.nets.matching import TrainedNet, pair

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one BatchNorm or Scale: merged ``into`` a layer, or kept for a ``reason``."""

    name: str
    type: str
    into: str = ""
    reason: str = ""


@dataclass(slots=True)
class Merge:
    """A net without the layers that could be merged.

    Attributes:
        merged: the merged net, its layers where they stood, and its arrays, float32.
        rows: one for each BatchNorm and Scale, in the net's order.
        left_out: names of the caffemodel's layers that the net does not have.
        into: index of a merged layer → index of the layer that took it in, both in the old graph.
        tops: index of a layer → which of its tops has another name from now on, and that name.
        reference: the old net, with the eps that was merged by.
    """

    merged: TrainedNet
    rows: list[Row]
    left_out: list[str]
    into: dict[int, int]
    tops: dict[int, tuple[int, str]]
    reference: Graph


@dataclass(slots=True)
class _Host:
    """A layer that takes others in; arrays in double precision."""

    weight: Doubles
    bias: Doubles
    channels: tuple[int, ...]

    def apply(self, scale: Doubles, shift: Doubles) -> None:
        """y → scale y + shift, a value an output."""
        self.weight = self.weight * scale.reshape(self.channels)
        self.bias = self.bias * scale + shift


@dataclass(slots=True)
class _Merger:
    graph: Graph
    arrays: dict[int, LayerWeights]
    eps: float | None
    into: dict[int, int] = field(default_factory=dict)
    hosts: dict[int, _Host] = field(default_factory=dict)

    def take_in(self, index: int, host: int) -> None:
        node = self.graph.nodes[index]
        if host not in self.hosts:
            self.hosts[host] = self._open(host)
        outputs = len(self.hosts[host].bias)
        arrays = self._finite(index)
        if node.type == "Scale" and node.param.scale_param.num_axes == 0:
            arrays = [np.full(outputs, array.reshape(())) for array in arrays if array.size == 1]
        if not arrays or any(array.size != outputs for array in arrays[:2]):
            shapes = ", ".join(shape_text(a.shape) for a in arrays)
            raise node.error(f"arrays of shape {shapes} do not fit the {outputs} outputs before it")
        self.hosts[host].apply(*self._affine(node, [a.reshape(-1) for a in arrays]))
        self.into[index] = host

    def _open(self, index: int) -> _Host:
        node = self.graph.nodes[index]
        weight, *bias = self._finite(index)
        view, channels = by_output(node.param, weight.shape, node.where)
        outputs = linear_param(node.param).num_output
        own = bias[0].reshape(-1) if bias else np.zeros(outputs)
        if own.size != outputs:
            raise node.error(f"has {own.size} biases for {outputs} outputs")
        return _Host(weight.reshape(view), own, channels)

    def _affine(self, node: Node, arrays: list[Doubles]) -> tuple[Doubles, Doubles]:
        """What a layer does to each channel: its factor, and what it adds."""
        if node.type == "Scale":
            return arrays[0], arrays[1] if len(arrays) > 1 else np.zeros_like(arrays[0])
        if len(arrays) != 3 or arrays[2].size != 1:
            raise node.error("a BatchNorm has mean, variance and one factor")
        factor = float(arrays[2][0])
        each = 1 / factor if factor else 0.0  # as Caffe has it: nothing gathered yet
        eps = node.param.batch_norm_param.eps if self.eps is None else self.eps
        variance = arrays[1] * each + eps
        if (variance <= 0).any():
            channel = int(np.argmax(variance <= 0))
            raise node.error(
                f"channel {channel} has a variance that, with eps, is not above 0",
                "The net itself gives no numbers there; see ssd-data weights stats",
            )
        scale = 1 / np.sqrt(variance)
        return scale, -arrays[0] * each * scale

    def _finite(self, index: int) -> list[Doubles]:
        node = self.graph.nodes[index]
        if index not in self.arrays:
            raise node.error("the caffemodel has no arrays for it", self._whose(node))
        arrays = [array.astype(np.float64) for array in self.arrays[index].arrays]
        for i, array in enumerate(arrays):
            if count := int((~np.isfinite(array)).sum()):
                raise node.error(
                    f"{count} values of its array {i} are no numbers (NaN or infinite)",
                    "See ssd-data weights stats",
                )
        return arrays

    def _whose(self, node: Node) -> str:
        """What a caffemodel without a layer's arrays may be."""
        if node.type == "BatchNorm" and not any(
            self.graph.nodes[index].type == "BatchNorm" for index in self.arrays
        ):
            return "It has none of any BatchNorm: it is merged already; give its own prototxt"
        return "Is it the caffemodel of this net? ssd-data weights show lists its layers"

    def weights(self) -> list[LayerWeights]:
        """What the merged net has, rounded to single precision."""
        result = []
        for index, node in enumerate(self.graph.nodes):
            if index in self.into or index not in self.arrays:
                continue
            arrays = self.arrays[index].arrays
            if host := self.hosts.get(index):
                weight = host.weight.reshape(arrays[0].shape).astype(np.float32)
                shape = arrays[1].shape if len(arrays) > 1 else host.bias.shape
                arrays = [weight, host.bias.reshape(shape).astype(np.float32)]
            result.append(LayerWeights(node.name, node.type, arrays))
        return result


def merge_bn(trained: TrainedNet, eps: float | None = None) -> Merge:
    """Merge each BatchNorm and Scale that directly follows a layer of weights into that layer.

    Args:
        trained: the net, whose phase decides what a BatchNorm does.
        eps: to merge by instead of each layer's own (what some published merges did).

    Raises:
        InputError: arrays of a layer to merge are missing, do not fit or hold NaN.
        UsageError: eps is negative or no number.
    """
    if eps is not None and not (math.isfinite(eps) and eps >= 0):
        raise UsageError(f"eps is {eps}, not a number from 0 on")
    graph, nodes = trained.graph, trained.graph.nodes
    arrays, left_out = pair(nodes, trained.layers)
    merger = _Merger(graph, arrays, eps)
    rules = MergeRules(graph)
    rows: list[Row] = []
    tops: dict[int, tuple[int, str]] = {}
    for index, node in enumerate(nodes):
        if node.type not in ("BatchNorm", "Scale"):
            continue
        target = rules.find(index, merger.into)
        if target.obstacle:
            rows.append(Row(node.name, node.type, reason=target.obstacle))
            continue
        merger.take_in(index, target.host)
        tops[target.writer] = (target.top, node.tops[0])
        rows.append(Row(node.name, node.type, into=nodes[target.host].name))
    merged = TrainedNet(_without(graph, merger.into, tops), merger.weights())
    reference = graph if eps is None else _with_eps(graph, merger.into, eps)
    return Merge(merged, rows, left_out, merger.into, tops, reference)


def _without(graph: Graph, into: dict[int, int], tops: dict[int, tuple[int, str]]) -> Graph:
    net = deepcopy(graph.net)
    for index, (place, top) in tops.items():
        net.layer[index].top[place] = top
    for index in set(into.values()):
        own = linear_param(net.layer[index])
        if not own.bias_term:
            own.bias_term = True
    for index in sorted(into, reverse=True):
        del net.layer[index]
    places = [node.where for index, node in enumerate(graph.nodes) if index not in into]
    merged = to_graph(net, graph.phase, origin=graph.origin, places=places)
    merged.as_written = graph.as_written
    return merged


def _with_eps(graph: Graph, indices: Iterable[int], eps: float) -> Graph:
    net = deepcopy(graph.net)
    for index in indices:
        if net.layer[index].type == "BatchNorm":
            net.layer[index].batch_norm_param.eps = eps
    return to_graph(net, graph.phase)
