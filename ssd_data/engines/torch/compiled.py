"""A compiled copy of a deploy net, for detecting and scoring; never what ``Net`` shows or saves.

BatchNorm and Scale are folded into the convolutions, a ReLU runs in the memory of the convolution
before it, blobs are let go of after their last reader, pictures lie with their channels last (where
PyTorch's convolutions are fastest, and SSD's Permute costs nothing), and batches have any size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from ssd_data.core.errors import InputError, UsageError
from ssd_data.engines import Array, Engine, EngineOptions
from ssd_data.engines.torch.blob import to_numpy
from ssd_data.engines.torch.interpreter import exact_arithmetic
from ssd_data.engines.torch.layer import REFUSALS, Layer, as_tuple, refused
from ssd_data.engines.torch.layers.convolution import Convolution
from ssd_data.engines.torch.mode import find_device
from ssd_data.engines.torch.net import Net
from ssd_data.nets.caffemodel import Caffemodel
from ssd_data.nets.constants import constant_blobs
from ssd_data.nets.detection import DETECTION_PARAMS
from ssd_data.nets.edit.merge_bn import merge_bn
from ssd_data.nets.geometry import Size
from ssd_data.nets.graph import Graph, Node
from ssd_data.nets.matching import TrainedNet
from ssd_data.nets.prepare import read_trained

_RECTIFIERS: dict[str, Callable[[Tensor], Tensor]] = {
    "ReLU": functional.relu_,
    "ReLU6": lambda x: functional.hardtanh_(x, 0.0, 6.0),
}
# Pictures at once on the CPU: the C library keeps no memory of larger tensors for the next, and
# getting new pages costs more than a larger batch gains.
AT_ONCE = 4
_SINGLE = {*DETECTION_PARAMS, "PriorBox", "Softmax", "Sigmoid"}  # never in half precision


@dataclass(slots=True)
class CompiledStep:
    """One call: its (first) layer, which blobs go in and come out, and which are not needed after
    it."""

    layer: Layer
    call: Callable[..., tuple[Tensor, ...]]
    bottoms: list[str]
    tops: list[str]
    done_with: list[str] = field(default_factory=list)


class Compiled(Engine):
    """The embedded engine for inference."""

    name = "torch"

    def __init__(self, net: Net, device: torch.device, half: bool = False) -> None:
        super().__init__(net.graph)
        self.device = device
        ends = [n.type for n in net.graph.producers()[self.outputs[0]]]
        self._only_detects = len(ends) == len(self.outputs) == 1 and ends[0] in DETECTION_PARAMS
        self.type = torch.float16 if half else torch.float32
        shapes = {name: blob.shape for name, blob in net.blobs.items()}
        self._sizes = {name: (s[2], s[3]) for name, s in shapes.items() if len(s) == 4}
        for layer in net.steps:
            layer.weights = [param.tensor.detach().to(device) for param in layer.params]
        self.steps = _forget(_steps(net, self.type), set(self.outputs))

    def map_sizes(self) -> dict[str, Size]:
        """See :meth:`Engine.map_sizes`: of all maps."""
        return self._sizes

    def forward(self, batch: Array) -> dict[str, Array]:
        """See :meth:`Engine.forward`."""
        if self.device.type != "cpu" or len(batch) <= AT_ONCE or not self._only_detects:
            return {name: to_numpy(top) for name, top in self.run(torch.from_numpy(batch)).items()}
        starts = range(0, len(batch), AT_ONCE)
        parts = [self.run(torch.from_numpy(batch[i : i + AT_ONCE])) for i in starts]
        rows = [part[self.outputs[0]] for part in parts]
        return {self.outputs[0]: to_numpy(_join(rows, starts))}

    def run(self, batch: Tensor) -> dict[str, Tensor]:
        """The same on tensors; the outputs lie on the net's device."""
        batch = batch.to(self.device, self.type)
        blobs = {self.input: batch.contiguous(memory_format=torch.channels_last)}
        with torch.inference_mode(), exact_arithmetic():
            for step in self.steps:
                try:
                    tops = step.call(*(blobs[name] for name in step.bottoms))
                except REFUSALS as error:
                    raise refused(step.layer, "cannot be computed", error) from None
                blobs.update(zip(step.tops, tops, strict=False))
                for name in step.done_with:
                    del blobs[name]
        return blobs


def _join(parts: list[Tensor], starts: Sequence[int]) -> Tensor:
    """The detections of parts of a batch, as those of the batch; see DetectionOutput."""
    rows = torch.cat(parts, 2).clone()
    counts = torch.tensor([part.shape[2] for part in parts])
    rows[..., 0] += torch.repeat_interleave(torch.tensor(starts), counts)
    found = rows[0, 0, :, 1] >= 0
    return rows[:, :, found] if bool(found.any()) else rows


def load(deploy: Path | str, weights: Path | str, options: EngineOptions) -> Compiled:
    """See :func:`ssd_data.engines.load_engine`."""
    place = find_device(options.device)
    if options.half and place.type == "cpu":
        raise UsageError("half precision runs on a GPU only", hint="Use the device cuda")
    given = read_trained(deploy, weights, options.threshold)
    merged = merge_bn(given).merged
    names = {node.name for node in given.graph.nodes}
    strangers = [layer for layer in given.layers if layer.name not in names]  # errors name one
    ready = TrainedNet(merged.graph, [*merged.layers, *strangers])
    return compile_net(ready, str(weights), place, options.half)


def compile_net(
    trained: TrainedNet, origin: str, device: torch.device | None = None, half: bool = False
) -> Compiled:
    """Compile a net whose BatchNorm is merged already.

    Args:
        origin: names the file that its arrays come from, in errors.

    Raises:
        InputError: arrays are missing or do not fit.
    """
    net = Net(trained.graph, device="meta")
    matching = net.copy_from(Caffemodel(list(trained.layers), origin=origin))
    if matching.new:
        raise InputError(
            f"{len(matching.new)} layers of {net.graph.origin} are not in this caffemodel: "
            + ", ".join(matching.new[:5]),
            where=origin,
            hint="Is it the caffemodel of this net? ssd-data weights show lists its layers",
        )
    return Compiled(net, device or find_device("cpu"), half)


def _steps(net: Net, kind: torch.dtype) -> list[CompiledStep]:
    steps: list[CompiledStep] = []
    priors = constant_blobs(net.graph)  # single precision throughout
    index = 0
    while index < len(net.steps):
        layer = net.steps[index]
        index += 1
        if layer.node.type == "Input":
            continue
        node = layer.node
        if isinstance(layer, Convolution) and layer.node.type != "Deconvolution":
            follower = net.steps[index].node if index < len(net.steps) else None
            rectify = _rectifier(net.graph, node, follower)
            call = _convolution(layer, kind, rectify)
            steps.append(CompiledStep(layer, call, node.bottoms, node.tops))
            if rectify is not None and follower is not None:
                steps[-1].tops = follower.tops
                index += 1
        else:
            own = torch.float32 if priors.issuperset(node.tops) else kind
            steps.append(CompiledStep(layer, _as_is(layer, own), node.bottoms, node.tops))
    return steps


def _rectifier(
    graph: Graph, node: Node, follower: Node | None
) -> Callable[[Tensor], Tensor] | None:
    """The next layer's function, if it is a plain ReLU that alone reads this layer's top."""
    if follower is None or follower.type not in _RECTIFIERS or follower.bottoms != node.tops:
        return None
    if follower.param.relu_param.negative_slope:
        return None
    readers = [n for n in graph.nodes if node.tops[0] in n.bottoms]
    in_place = follower.tops == node.tops
    return _RECTIFIERS[follower.type] if in_place or len(readers) == 1 else None


def _convolution(
    layer: Convolution, kind: torch.dtype, rectify: Callable[[Tensor], Tensor] | None
) -> Callable[..., tuple[Tensor, ...]]:
    tensors = [w.to(kind) for w in layer.weights]
    weight = tensors[0].contiguous(memory_format=torch.channels_last)
    bias = tensors[1] if len(tensors) > 1 else None
    window, group = layer.window, layer.group

    def call(x: Tensor) -> tuple[Tensor, ...]:
        y = functional.conv2d(x, weight, bias, window.stride, window.pad, window.dilation, group)
        return (rectify(y) if rectify is not None else y,)

    return call


def _as_is(layer: Layer, kind: torch.dtype) -> Callable[..., tuple[Tensor, ...]]:
    wanted = torch.float32 if layer.node.type in _SINGLE else kind
    layer.weights = [w.to(wanted) for w in layer.weights]
    return lambda *bottoms: as_tuple(layer.forward(*(b.to(wanted) for b in bottoms)))


def _forget(steps: list[CompiledStep], outputs: set[str]) -> list[CompiledStep]:
    """Note after which step each blob is not needed any more."""
    seen = set(outputs)
    for step in reversed(steps):
        step.done_with = [name for name in {*step.bottoms, *step.tops} if name not in seen]
        seen.update(step.bottoms)
        # A blob written anew is another one before: in place the name stays in use.
        seen.difference_update(set(step.tops) - set(step.bottoms) - outputs)
    return steps
