"""The interpreter: layers one after another on named blobs, and back again.

Every layer's gradients are autograd's, but each layer has a history of its own, cut off from the
others': so backward can start and end at any layer, and every blob has its gradient, as in Caffe.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from ssd_data.core.errors import UsageError
from ssd_data.engines.torch.blob import Blob
from ssd_data.engines.torch.flow import plan
from ssd_data.engines.torch.layer import (
    REFUSALS,
    Layer,
    as_tuple,
    make_layer,
    refused,
    set_up,
)
from ssd_data.engines.torch.memory import keep_freed_memory
from ssd_data.nets.graph import Graph

Tape = dict[int, tuple[list[Tensor], tuple[Tensor, ...]]]


class Interpreter:
    """Runs a graph.

    Args:
        graph: the net.
        device: where its blobs lie. On ``meta`` there are shapes alone, and no memory is taken.

    Attributes:
        steps: the layers, in order.
        blobs: name → :class:`~ssd_data.engines.torch.blob.Blob`.
        flow: which of them get gradients.

    Raises:
        LayerError: a layer's type, parameters or shapes are wrong.
    """

    def __init__(self, graph: Graph, device: torch.device) -> None:
        self.graph, self.phase, self.device = graph, graph.phase, device
        self.steps: list[Layer] = []
        self.blobs: OrderedDict[str, Blob] = OrderedDict()
        self._tape: Tape = {}
        with device if device.type == "meta" else nullcontext():
            self._set_up()
        self.flow = plan(self.steps, graph.net.force_backward)
        self._seed_losses()

    def run(self, first: int, last: int, after: Callable[[int], None] | None = None) -> Tensor:
        """Compute layers by index, both included; the weighted sum of their losses.

        ``after`` is called with each layer's index when it has run.
        """
        loss = torch.zeros((), device=self.device)
        with exact_arithmetic():
            for i in range(first, last + 1):
                layer = self.steps[i]
                bottoms = [self.blobs[name].tensor for name in layer.node.bottoms]
                tops = self._compute(i, layer, bottoms)
                for name, top in zip(layer.node.tops, tops, strict=False):
                    self.blobs[name].tensor = top
                for weight, top in zip(self.flow.loss_weights[i], tops, strict=False):
                    if weight:
                        loss += weight * top.sum()
                if after:
                    after(i)
        return loss

    def _compute(self, i: int, layer: Layer, bottoms: list[Tensor]) -> tuple[Tensor, ...]:
        """One layer's tops, without history; what backward needs is kept aside."""
        learns = self.flow.layers[i]
        if learns:
            pairs = zip(bottoms, self.flow.bottoms[i], strict=True)
            bottoms = [b.detach().requires_grad_(wanted) for b, wanted in pairs]
        params = zip(layer.params, self.flow.params[i], strict=True)
        layer.weights = [p.tensor.requires_grad_(learns and wanted) for p, wanted in params]
        try:
            with torch.set_grad_enabled(learns):
                tops = as_tuple(layer.forward(*bottoms))
        except REFUSALS as error:
            raise refused(layer, "cannot be computed", error) from None
        if learns:
            self._tape[i] = (bottoms, tops)
        return tuple(top.detach().to(self.device) for top in tops)  # data layers' are on the CPU

    def propagate(self, last: int, first: int, after: Callable[[int], None] | None = None) -> None:
        """Compute gradients from layer ``last`` back to ``first``, both included.

        On the CPU the process keeps freed memory from then on. ``after`` is called with each
        layer's index when it has run.

        Raises:
            UsageError: no forward was run.
        """
        if self.device.type == "cpu":
            keep_freed_memory()
        written: set[tuple[str, int]] = set()  # blobs whose gradient this pass has begun
        with exact_arithmetic():
            for i in range(last, first - 1, -1):
                if self.flow.layers[i]:
                    self._propagate(i, written)
                if after:
                    after(i)

    def _propagate(self, i: int, written: set[tuple[str, int]]) -> None:
        if i not in self._tape:
            raise UsageError(f"{self.steps[i].node.where}: no forward was run before backward")
        layer, (bottoms, tops) = self.steps[i], self._tape[i]
        learned = [p for p, w in zip(layer.params, layer.weights, strict=True) if w.requires_grad]
        sources = [b for b in bottoms if b.requires_grad]
        pairs = zip(layer.node.tops, tops, strict=False)
        ends = [(top, self.blobs[name].grad) for name, top in pairs if top.requires_grad]
        if not ends or not (sources or learned):
            return
        grads = torch.autograd.grad(
            [top for top, _ in ends],
            [*sources, *(w for w in layer.weights if w.requires_grad)],
            [grad.view_as(top) for top, grad in ends],
            allow_unused=True,
            retain_graph=True,
        )
        for param, grad in zip(learned, grads[len(sources) :], strict=True):
            if grad is not None:
                param.grad.add_(grad)
        given = iter(grads)
        for name, bottom in zip(layer.node.bottoms, bottoms, strict=True):
            if bottom.requires_grad:
                self._add_gradient(name, bottom, next(given), written)

    def _add_gradient(
        self, name: str, bottom: Tensor, grad: Tensor | None, written: set[tuple[str, int]]
    ) -> None:
        """Several readers' gradients add up; what an earlier pass left is replaced."""
        grad = torch.zeros_like(bottom) if grad is None else grad
        blob, version = self.blobs[name], (name, bottom.data_ptr())
        blob.grad = blob.grad + grad if version in written else grad
        written.add(version)

    def reshape(self) -> None:
        """Give all blobs the shapes that follow from the inputs'; ``forward`` does so itself."""
        shapes: dict[str, Tensor] = {n: self.blobs[n].tensor.to("meta") for n in self.graph.inputs}
        for layer in self.steps:
            if layer.node.type == "Input":
                continue  # the caller gave these their shapes
            tops = layer.infer(*(shapes[name] for name in layer.node.bottoms))
            self._take_shapes(layer, tops, shapes)

    def _set_up(self) -> None:
        shapes: dict[str, Tensor] = {}
        shared: dict[str, Blob] = {}
        for node in self.graph.nodes:
            layer = make_layer(node, node.param.phase)
            bottoms = [shapes[name] for name in node.bottoms]
            set_up(layer, *bottoms)
            self._share_params(layer, shared)
            self._take_shapes(layer, layer.infer(*bottoms), shapes)
            for param in layer.params:
                param.tensor = param.tensor.to(self.device)
            self.steps.append(layer)

    def _take_shapes(
        self, layer: Layer, tops: tuple[Tensor, ...], shapes: dict[str, Tensor]
    ) -> None:
        names = layer.node.tops
        if tops and layer.node.bottoms and not names and not layer.is_loss:
            raise layer.error("has no top, so that nothing can read what it computes")
        if len(tops) < len(names):
            raise layer.error(f"has {len(names)} tops; {layer.param.type} gives {len(tops)}")
        for name, top in zip(names, tops, strict=False):
            shapes[name] = top
            if name not in self.blobs:
                self.blobs[name] = Blob(torch.zeros(top.shape, device=self.device))
            elif self.blobs[name].shape != tuple(top.shape):
                self.blobs[name].tensor = torch.zeros(top.shape, device=self.device)

    def _share_params(self, layer: Layer, shared: dict[str, Blob]) -> None:
        """Parameters of one name are one (``param { name: ... }``)."""
        for i, spec in enumerate(layer.param.param[: len(layer.params)]):
            if spec.name:
                own = layer.params[i]
                first = shared.setdefault(spec.name, own)
                if first.count != own.count:
                    raise layer.error(f'shares "{spec.name}", but {first} is not {own}')
                layer.params[i] = first

    def _seed_losses(self) -> None:
        for layer, weights in zip(self.steps, self.flow.loss_weights, strict=True):
            for name, weight in zip(layer.node.tops, weights, strict=False):
                if weight:
                    self.blobs[name].grad.fill_(weight)


def exact_arithmetic() -> Any:
    """No TF32 in convolutions: single precision is what Caffe computes in. And no sums whose order
    is another each time: a run that is resumed on a GPU ends as one that was not stopped."""
    return torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)
