"""A net's parameters as a solver sees them: once each, with their rates and histories."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ssd_data.engines.torch.blob import Blob
from ssd_data.engines.torch.net import Net
from ssd_data.proto import caffe_pb2


@dataclass(slots=True)
class Param:
    """One parameter with what the update rule keeps of it."""

    blob: Blob
    lr_mult: float
    decay_mult: float
    history: list[Tensor] = field(default_factory=list)


def parameters(net: Net, histories: int) -> list[Param]:
    """All parameters once each, in the layers' order, statistics included, as Caffe lists them."""
    found: dict[int, Param] = {}
    for layer in net.steps:
        specs = layer.param.param
        for i, blob in enumerate(layer.params):
            if id(blob) in found:
                continue
            spec = specs[i] if i < len(specs) else caffe_pb2.ParamSpec()
            rate = 0.0 if layer.statistics else spec.lr_mult
            history = [torch.zeros_like(blob.tensor.detach()) for _ in range(histories)]
            found[id(blob)] = Param(blob, rate, spec.decay_mult, history)
    return list(found.values())
