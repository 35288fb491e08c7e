"""What a net consists of, without computing it: shapes, parameters, multiply-adds, priors."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil, prod

import torch

from ssd_data.engines.torch.interpreter import Interpreter
from ssd_data.engines.torch.layer import Layer
from ssd_data.engines.torch.layers.convolution import Convolution
from ssd_data.engines.torch.layers.innerproduct import InnerProduct
from ssd_data.engines.torch.layers.pooling import Pooling
from ssd_data.nets.geometry import Shape, Window
from ssd_data.nets.graph import Graph
from ssd_data.nets.priors import prior_shapes

# What they give is no map any more.
_MIXING = {
    "BatchReindex", "Embed", "Filter", "Flatten", "Im2col", "InnerProduct", "LSTM", "Permute",
    "PSROIPooling", "Reduction", "Reorg", "Reshape", "ROIPooling", "SPP", "Tile",
}  # fmt: skip
_ENLARGING = {"Upsample", "Interp"}


@dataclass(frozen=True, slots=True)
class LayerRow:
    """One layer.

    Attributes:
        shapes: of its tops.
        parameters: learned values, not BatchNorm's statistics; shared ones count where they are
            first.
        multiply_adds: of convolutions, deconvolutions and inner products, for the whole batch.
    """

    name: str
    type: str
    shapes: list[Shape]
    parameters: int
    multiply_adds: int


@dataclass(frozen=True, slots=True)
class PriorRow:
    """The priors of one map.

    Attributes:
        blob: the map.
        map: its (height, width).
        sizes: (width, height) of the boxes at each place, in pixels of the input.
        count: places times boxes.
        stride: pixels of the input between neighbouring places, (height, width).
        field: pixels of the input that one place depends on, (height, width), as if the input had
            no border; () for both where a layer before it mixes the places.
    """

    name: str
    blob: str
    map: tuple[int, int]
    sizes: tuple[tuple[float, float], ...]
    count: int
    stride: tuple[float, ...]
    field: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """All of a net; the sums are over its layers and maps."""

    name: str
    layers: list[LayerRow] = field(default_factory=list)
    priors: list[PriorRow] = field(default_factory=list)

    @property
    def parameters(self) -> int:
        """Learned values."""
        return sum(row.parameters for row in self.layers)

    @property
    def multiply_adds(self) -> int:
        """Of one batch."""
        return sum(row.multiply_adds for row in self.layers)

    @property
    def prior_count(self) -> int:
        """Boxes of all maps."""
        return sum(row.count for row in self.priors)


@dataclass(frozen=True, slots=True)
class _Reach:
    """How the places of a map lie on the input, each (height, width) in pixels."""

    stride: tuple[float, float] = (1, 1)
    field: tuple[float, float] = (1, 1)

    def through(self, window: Window) -> _Reach:
        """Of the map that a window makes of this one."""
        (y, x), (height, width), (down, across) = self.stride, self.field, window.stride
        reads = [span - 1 for span in window.span]
        return _Reach((y * down, x * across), (height + reads[0] * y, width + reads[1] * x))

    def enlarged(self, window: Window) -> _Reach:
        """Of the map that a deconvolution makes of this one."""
        (y, x), (height, width), (down, across) = self.stride, self.field, window.stride
        reads = [
            ceil(span / step) - 1 for span, step in zip(window.span, window.stride, strict=True)
        ]
        return _Reach((y / down, x / across), (height + reads[0] * y, width + reads[1] * x))

    def resized(self, before: Shape, after: Shape) -> _Reach:
        """Of this map in another size, as if each new place lay on an old one."""
        (y, x), (height, width) = self.stride, self.field
        return _Reach((y * before[2] / after[2], x * before[3] / after[3]), (height, width))


def summarise(graph: Graph) -> Summary:
    """Shapes and counts of a net, with the batch that its inputs have; nothing is computed.

    Raises:
        LayerError: a layer's type, parameters or shapes are wrong.
    """
    net = Interpreter(graph, torch.device("meta"))
    reaches: dict[str, _Reach | None] = {}
    counted: set[int] = set()
    summary = Summary(graph.net.name)
    for layer in net.steps:
        before = [net.blobs[name].shape for name in layer.node.bottoms]
        after = [net.blobs[name].shape for name in layer.node.tops]
        row = LayerRow(
            layer.node.name,
            layer.node.type,
            after,
            _parameters(layer, counted),
            _multiply_adds(layer, before, after),
        )
        summary.layers.append(row)
        if layer.node.type == "PriorBox":
            summary.priors.append(_priors(layer, before[0], reaches[layer.node.bottoms[0]]))
        reach = _reach(layer, before, after, reaches)
        reaches.update(dict.fromkeys(layer.node.tops, reach))
    return summary


def _parameters(layer: Layer, counted: set[int]) -> int:
    if layer.statistics:
        return 0
    new = [blob for blob in layer.params if id(blob) not in counted]
    counted.update(id(blob) for blob in new)
    return sum(blob.count for blob in new)


def _multiply_adds(layer: Layer, before: list[Shape], after: list[Shape]) -> int:
    """Each weight is used once at each place of the map: a deconvolution's bottom, else the top."""
    if isinstance(layer, Convolution):
        places = before[0] if layer.node.type == "Deconvolution" else after[0]
        return layer.params[0].count * places[0] * places[2] * places[3]
    if isinstance(layer, InnerProduct):
        return layer.params[0].count * prod(before[0][: layer.start])
    return 0


def _reach(
    layer: Layer, before: list[Shape], after: list[Shape], known: dict[str, _Reach | None]
) -> _Reach | None:
    if not before:
        return _Reach()
    bottoms = [known[name] for name in layer.node.bottoms]
    reaches = [reach for reach in bottoms if reach is not None]
    if len(reaches) < len(bottoms) or layer.node.type in _MIXING:
        return None
    largest = max(reaches, key=lambda reach: reach.field)
    if isinstance(layer, Convolution):
        shift = largest.enlarged if layer.node.type == "Deconvolution" else largest.through
        return shift(layer.window)
    if isinstance(layer, Pooling):
        return largest.through(layer.window)
    if layer.node.type in _ENLARGING:
        return largest.resized(before[0], after[0])
    return _Reach(reaches[1].stride, largest.field) if layer.node.type == "Axpy" else largest


def _priors(layer: Layer, places: Shape, reach: _Reach | None) -> PriorRow:
    sizes = prior_shapes(layer.param.prior_box_param, layer.node.where).sizes
    height, width = places[2:]
    return PriorRow(
        layer.node.name,
        layer.node.bottoms[0],
        (height, width),
        sizes,
        height * width * len(sizes),
        reach.stride if reach else (),
        reach.field if reach else (),
    )
