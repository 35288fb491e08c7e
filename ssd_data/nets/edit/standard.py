"""Layers of forks written as layers that every reader of SSD's nets has, computing the same.

Upsample becomes a Deconvolution; ShuffleChannel and Reorg become Reshape and Permute; Axpy becomes
Scale and Eltwise; Swish, HardSwish, HardSigmoid, Mish and Clip become Sigmoid, TanH, ReLU, Power,
BNLL and Eltwise. What BVLC's Caffe has, and Interp, stays: a reader has it or says that it has not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from ssd_data.nets.activations import clip_limits, hard_sigmoid_line
from ssd_data.nets.caffemodel import LayerWeights
from ssd_data.nets.channels import map_channels
from ssd_data.nets.geometry import Size
from ssd_data.nets.graph import Node, to_graph
from ssd_data.nets.matching import TrainedNet
from ssd_data.nets.resizing import Moves, reorg_steps, shuffle_moves, upsampling
from ssd_data.nets.sizes import map_sizes
from ssd_data.proto import caffe_pb2

_PROD, _SUM = caffe_pb2.EltwiseParameter.PROD, caffe_pb2.EltwiseParameter.SUM
_Layer = caffe_pb2.LayerParameter


@dataclass(slots=True)
class Rewriting:
    """One layer while it is written as others.

    Attributes:
        node: the layer. bottoms: what it reads, by its names in the new net.
        sizes, channels: of the net's maps, as far as they are known.
        number: tells its blobs from others'.
        layers: what was written so far; the last gives its top.
        arrays: of the last, where it has any.
    """

    node: Node
    bottoms: list[str]
    sizes: Mapping[str, Size]
    channels: Mapping[str, int]
    number: int
    layers: list[caffe_pb2.LayerParameter] = field(default_factory=list)
    arrays: list[np.ndarray] = field(default_factory=list)

    def add(self, kind: str, bottoms: Sequence[str], **params: Any) -> str:
        """Write a layer; the blob that it gives."""
        step = len(self.layers)
        top = f"standard_{self.number}/{step}"
        name = f"{self.node.name}/{kind.lower()}_{step}"
        self.layers.append(_Layer(name=name, type=kind, bottom=bottoms, top=[top], **params))
        return top

    def line(self, x: str, scale: float, shift: float) -> str:
        """scale · x + shift."""
        if scale == 1 and shift == 0:
            return x
        return self.add("Power", [x], power_param={"scale": scale, "shift": shift})

    def product(self, x: str, y: str) -> str:
        """x · y."""
        return self.add("Eltwise", [x, y], eltwise_param={"operation": _PROD})

    def cut(self, x: str, least: float, most: float) -> str:
        """min(max(x, least), most), as least + relu(x - least) - relu(x - most)."""
        low = self.add("ReLU", [self.line(x, 1, -least)])
        high = self.add("ReLU", [self.line(x, 1, -most)])
        both = self.add("Eltwise", [low, high], eltwise_param={"operation": _SUM, "coeff": [1, -1]})
        return self.line(both, 1, least)

    def map(self, index: int = 0) -> tuple[int, int, int]:
        """Channels, height and width of what it reads.

        Raises:
            LayerError: they cannot be told from the prototxt.
        """
        name = self.node.bottoms[index]
        if name not in self.sizes or name not in self.channels:
            hint = (
                "A layer before it is of a type whose shape is not known here; try --profile onnx"
            )
            raise self.node.error(f'the shape of "{name}" is not known', hint)
        return self.channels[name], *self.sizes[name]


Rewriter: TypeAlias = Callable[[Rewriting], str]


def _upsample(r: Rewriting) -> str:
    if len(r.bottoms) > 1:
        raise r.node.error("an Upsample by a mask cannot be written in standard layers")
    channels, height, width = r.map()
    how = upsampling(r.node, (height, width))
    down, across = how.factor
    r.arrays = [np.full((channels, 1, down, across), how.scale, np.float32)]
    sides = {"kernel_h": down, "kernel_w": across, "stride_h": down, "stride_w": across}
    if down == across:
        sides = {"kernel_size": [down], "stride": [down]}  # type: ignore[dict-item]
    more = {"num_output": channels, "group": channels, "bias_term": False}
    return r.add("Deconvolution", r.bottoms, convolution_param={**sides, **more})


def _shuffle(r: Rewriting) -> str:
    return _moved(r, [shuffle_moves(r.node, (1, *r.map()))])


def _reorg(r: Rewriting) -> str:
    return _moved(r, reorg_steps(r.node, (1, *r.map())))


def _moved(r: Rewriting, steps: Sequence[Moves]) -> str:
    x = r.bottoms[0]
    for moves in steps:
        x = r.add("Reshape", [x], reshape_param={"shape": {"dim": [0, *moves.parts]}})
        x = r.add("Permute", [x], permute_param={"order": moves.order})
    return r.add("Reshape", [x], reshape_param={"shape": {"dim": [0, *steps[-1].shape]}})


def _axpy(r: Rewriting) -> str:
    a, x, b = r.bottoms
    if r.node.bottoms[0] in r.sizes:
        a = r.add("Flatten", [a])
    scaled = r.add("Scale", [x, a], scale_param={"axis": 0})
    return r.add("Eltwise", [scaled, b], eltwise_param={"operation": _SUM})


def _swish(r: Rewriting) -> str:
    x = r.bottoms[0]
    return r.product(x, r.add("Sigmoid", [r.line(x, r.node.param.swish_param.beta, 0)]))


def _hard_sigmoid(r: Rewriting) -> str:
    alpha, beta = hard_sigmoid_line(r.node)
    return r.cut(r.line(r.bottoms[0], alpha, beta), 0, 1)


def _hard_swish(r: Rewriting) -> str:
    x = r.bottoms[0]
    return r.product(x, r.cut(r.line(x, 1 / 6, 0.5), 0, 1))


def _mish(r: Rewriting) -> str:
    x = r.bottoms[0]
    return r.product(x, r.add("TanH", [r.add("BNLL", [x])]))


def _clip(r: Rewriting) -> str:
    return r.cut(r.bottoms[0], *clip_limits(r.node))


REWRITERS: dict[str, Rewriter] = {
    "Axpy": _axpy, "Clip": _clip, "HardSigmoid": _hard_sigmoid, "HardSwish": _hard_swish,
    "Mish": _mish, "Reorg": _reorg, "ShuffleChannel": _shuffle, "Swish": _swish,
    "Upsample": _upsample,
}  # fmt: skip


def in_standard_layers(trained: TrainedNet) -> tuple[TrainedNet, list[str]]:
    """Write each layer of :data:`REWRITERS` as others; also what was done, for people.

    Raises:
        LayerError: a layer cannot be written so.
    """
    graph = trained.graph
    counts = Counter(node.type for node in graph.nodes if node.type in REWRITERS)
    if not counts:
        return trained, []
    sizes, channels = map_sizes(graph), map_channels(graph)
    net = caffe_pb2.NetParameter(name=graph.net.name)
    renamed: dict[str, str] = {}  # blobs that such a layer wrote in place
    places: list[str] = []
    layers = list(trained.layers)
    for number, node in enumerate(graph.nodes):
        bottoms = [renamed.get(bottom, bottom) for bottom in node.bottoms]
        if node.type not in REWRITERS:
            made = [deepcopy(node.param)]
            made[0].bottom[:] = bottoms
            made[0].top[:] = [renamed.get(t, t) if t in node.bottoms else t for t in node.tops]
        else:
            rewriting = Rewriting(node, bottoms, sizes, channels, number)
            REWRITERS[node.type](rewriting)
            made = rewriting.layers
            _finish(rewriting, renamed)
            if rewriting.arrays:
                layers.append(LayerWeights(node.name, made[-1].type, rewriting.arrays))
        net.layer.extend(made)
        places += [node.where] * len(made)
    written = to_graph(net, graph.phase, origin=graph.origin, places=places)
    notes = [f"{count} {kind} written in standard layers" for kind, count in sorted(counts.items())]
    return TrainedNet(written, layers), notes


def _finish(rewriting: Rewriting, renamed: dict[str, str]) -> None:
    """Give the last layer the name and the top of the one that was written as others."""
    node, last = rewriting.node, rewriting.layers
    top = node.tops[0]
    if top in node.bottoms:
        renamed[top] = f"standard_{rewriting.number}/out"
        top = renamed[top]
    else:
        renamed.pop(top, None)
    last[-1].name, last[-1].top[:] = node.name, [top]
