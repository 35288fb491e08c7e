"""A net as it is trained: the same layers and parameters, run as one graph of autograd.

BatchNorm and a Scale behind it run as one function, a ReLU runs in the memory before it, and
pictures may lie with their channels last. The values are the net's; of blobs written in place only
the last version is kept, and blobs have no gradients, only parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from ssd_data.engines.torch.fused import Call, FusedStep, fuse
from ssd_data.engines.torch.interpreter import exact_arithmetic
from ssd_data.engines.torch.layer import REFUSALS, Layer, as_tuple, refused
from ssd_data.engines.torch.layers.batchnorm import BatchNorm
from ssd_data.engines.torch.layers.scale import Scale
from ssd_data.engines.torch.memory import keep_freed_memory
from ssd_data.engines.torch.net import Net

MoreLoss: TypeAlias = Callable[[Mapping[str, Tensor]], Tensor]


class Trainable:
    """Runs a training net forward and backward.

    On the CPU the process keeps freed memory from then on, see :func:`keep_freed_memory`.

    Args:
        net: whose parameters, data layers and blobs are used.
        channels_last: whether pictures and weights lie with their channels last.
        precision: of convolutions under automatic mixed precision, None for single. Losses,
            BatchNorm and whatever else is ``single`` stay in float32, as do all parameters.
        compiles: whether torch.compile makes one function of the layers, see ``fused.py``.

    Attributes:
        more_losses: are given all blobs' values after a forward, and add to the loss.

    Raises:
        UsageError: the layers cannot be compiled, here or (from the first ``forward``) at all.
    """

    def __init__(
        self,
        net: Net,
        *,
        channels_last: bool = True,
        precision: torch.dtype | None = None,
        compiles: bool = False,
    ) -> None:
        self.net, self.channels_last, self.precision = net, channels_last, precision
        self.learned = [
            param
            for layer, wanted in zip(net.steps, net.flow.params, strict=True)
            for param, needed in zip(layer.params, wanted, strict=True)
            if needed
        ]
        if net.device.type == "cpu":
            keep_freed_memory()
        if channels_last:
            for param in self.learned:
                if param.tensor.dim() == 4:
                    values = param.tensor.detach()
                    param.tensor = values.contiguous(memory_format=torch.channels_last)
        self.steps = _steps(net)
        if precision is not None:
            for step in self.steps:
                if any(layer.single for layer in step.layers):
                    step.call = _in_single(step.call, net.device.type)
        if compiles:
            self.steps = fuse(self.steps, net.outputs)
        self.more_losses: list[MoreLoss] = []

    def forward(self) -> Tensor:
        """The weighted loss of the next batch, with what backward needs; blobs get their values."""
        net = self.net
        loss = torch.zeros((), device=net.device)
        values: dict[str, Tensor] = {name: net.blobs[name].tensor for name in net.inputs}
        self._bind()
        with exact_arithmetic(), self._mixed():
            for step in self.steps:
                try:
                    tops = step.call(*(values[name] for name in step.bottoms))
                except REFUSALS as error:
                    raise refused(step.layers[0], "cannot be computed", error) from None
                for name, top, weight in zip(step.tops, tops, step.loss_weights, strict=False):
                    values[name] = self._placed(top) if not step.bottoms else top
                    net.blobs[name].tensor = values[name].detach()
                    if weight:
                        loss = loss + weight * top.sum()
        for more in self.more_losses:
            with exact_arithmetic():
                loss = loss + more(values)
        return loss

    def backward(self, loss: Tensor) -> None:
        """Add the parameters' gradients to their ``grad``."""
        leaves = [param.tensor for param in self.learned]
        with exact_arithmetic():
            grads = torch.autograd.grad(loss, leaves, allow_unused=True)
        found = [(p.grad, g) for p, g in zip(self.learned, grads, strict=True) if g is not None]
        if found:
            torch._foreach_add_(*map(list, zip(*found, strict=True)))

    def _bind(self) -> None:
        for layer, wanted in zip(self.net.steps, self.net.flow.params, strict=True):
            pairs = zip(layer.params, wanted, strict=True)
            layer.weights = [p.tensor.requires_grad_(needed) for p, needed in pairs]

    def _placed(self, top: Tensor) -> Tensor:
        top = top.to(self.net.device, non_blocking=True)
        if self.channels_last and top.dim() == 4 and top.shape[1] > 1:
            return top.contiguous(memory_format=torch.channels_last)
        return top

    def _mixed(self) -> torch.autocast:
        kind, dtype = self.net.device.type, self.precision
        return torch.autocast(kind, dtype or torch.bfloat16, enabled=dtype is not None)


def _steps(net: Net) -> list[FusedStep]:
    steps: list[FusedStep] = []
    layers = [layer for layer in net.steps if layer.node.type != "Input"]
    index_of = {id(layer): i for i, layer in enumerate(net.steps)}
    at = 0
    while at < len(layers):
        group = _group(layers, at)
        at += len(group)
        weights = net.flow.loss_weights[index_of[id(group[-1])]]
        steps.append(
            FusedStep(_call(group), group, group[0].node.bottoms, group[-1].node.tops, weights)
        )
    return steps


def _group(layers: list[Layer], at: int) -> list[Layer]:
    """The layers from one on that run as one call: BatchNorm with Scale, anything with ReLU."""
    group = [layers[at]]
    if isinstance(group[0], BatchNorm):
        follower = _in_place(layers, at + 1, group[0])
        if isinstance(follower, Scale) and follower.start == 1 and len(follower.params) == 2:
            group.append(follower)
    follower = _in_place(layers, at + len(group), group[-1])
    plain = follower is not None and follower.node.type == "ReLU"
    if plain and follower and not follower.param.relu_param.negative_slope:
        group.append(follower)
    return group


def _in_place(layers: list[Layer], index: int, before: Layer) -> Layer | None:
    """The next layer, if it does nothing but write onto the one before it."""
    if index >= len(layers) or len(before.node.tops) != 1:
        return None
    node = layers[index].node
    return layers[index] if node.bottoms == node.tops == before.node.tops else None


def _call(group: list[Layer]) -> Call:
    rectifies = len(group) > 1 and group[-1].node.type == "ReLU"
    body = group[:-1] if rectifies else group
    first = body[0]
    if isinstance(first, BatchNorm):
        scale = body[1] if len(body) > 1 else None

        def run(*bottoms: Tensor) -> tuple[Tensor, ...]:
            weight, bias = scale.weights if scale is not None else (None, None)
            return (first.normalize(bottoms[0], weight, bias),)

    else:

        def run(*bottoms: Tensor) -> tuple[Tensor, ...]:
            return as_tuple(first.forward(*bottoms))

    if not rectifies:
        return run

    def rectified(*bottoms: Tensor) -> tuple[Tensor, ...]:
        return (functional.relu_(run(*bottoms)[0]),)

    return rectified


def _in_single(call: Call, device: str) -> Call:
    def run(*bottoms: Tensor) -> tuple[Tensor, ...]:
        with torch.autocast(device, enabled=False):
            return call(*(bottom.float() for bottom in bottoms))

    return run
