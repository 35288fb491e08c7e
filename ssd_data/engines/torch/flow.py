"""Which layers and blobs get gradients: Caffe's rules (``Net::Init`` in ``src/caffe/net.cpp``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ssd_data.engines.torch.layer import Layer


@dataclass(slots=True)
class Flow:
    """For each layer, by index.

    Attributes:
        layers: whether it runs backward at all.
        bottoms: whether each of its bottoms gets a gradient.
        params: whether each of its parameters gets one.
        loss_weights: the loss weight of each of its tops, 0 where it is none.
    """

    layers: list[bool] = field(default_factory=list)
    bottoms: list[list[bool]] = field(default_factory=list)
    params: list[list[bool]] = field(default_factory=list)
    loss_weights: list[list[float]] = field(default_factory=list)


def plan(layers: Sequence[Layer], force: bool) -> Flow:
    """Follow what can learn forward, and what the loss depends on backward."""
    flow = Flow()
    learns: dict[str, bool] = {}  # by blob name: whether something before it learns
    for layer in layers:
        node = layer.node
        flow.loss_weights.append(_loss_weights(layer))
        flow.params.append([_rate(layer, i) != 0 for i in range(len(layer.params))])
        asked = layer.param.propagate_down
        flow.bottoms.append(list(asked) if asked else [learns[b] for b in node.bottoms])
        needed = any(learns[b] for b in node.bottoms) or any(flow.params[-1])
        flow.layers.append(needed)
        learns.update({top: needed or learns.get(top, False) for top in node.tops})
    _cut_what_no_loss_needs(layers, flow)
    if force:
        flow.layers = [True] * len(layers)
        flow.params = [[not layer.statistics] * len(layer.params) for layer in layers]
        for layer, bottoms in zip(layers, flow.bottoms, strict=True):
            bottoms[:] = [b or i not in layer.no_gradient for i, b in enumerate(bottoms)]
    return flow


def _cut_what_no_loss_needs(layers: Sequence[Layer], flow: Flow) -> None:
    under_loss: set[str] = set()
    unwanted: set[str] = set()  # read only by layers that give no gradient back
    wanted: set[str] = set()
    for i in reversed(range(len(layers))):
        node = layers[i].node
        contributes = any(flow.loss_weights[i]) or any(top in under_loss for top in node.tops)
        ends_here = all(top in unwanted - wanted for top in node.tops)
        if not contributes or ends_here:
            flow.layers[i] = False
            flow.bottoms[i] = [False] * len(node.bottoms)
        if contributes:
            under_loss.update(node.bottoms)
        for name, gets in zip(node.bottoms, flow.bottoms[i], strict=True):
            (wanted if gets else unwanted).add(name)


def _rate(layer: Layer, index: int) -> float:
    if layer.statistics:
        return 0
    specs = layer.param.param
    return specs[index].lr_mult if index < len(specs) else 1


def _loss_weights(layer: Layer) -> list[float]:
    given = list(layer.param.loss_weight) or [1.0 if layer.is_loss else 0.0]
    count = max(len(layer.node.tops), 1 if layer.is_loss else 0)
    return [*given, *[0.0] * count][:count]
