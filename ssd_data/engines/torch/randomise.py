"""Random weights under which a net's values neither vanish nor explode, to try nets out with."""

from __future__ import annotations

from pathlib import Path

import torch

from ssd_data.engines.torch.layer import Layer
from ssd_data.engines.torch.mode import find_device
from ssd_data.engines.torch.net import Net
from ssd_data.nets.detection import DETECTION_PARAMS
from ssd_data.nets.prepare import DeployNet, read_deploy

_LATE = {*DETECTION_PARAMS, "DetectionEvaluate"}
SPREAD = 0.2  # of biases and of what BatchNorm and Scale vary by


def randomise(net: Net, seed: int = 0) -> None:
    """Fill all parameters, and bring each weighted layer's values on random input to a spread of 1.

    The latter as in Mishkin and Matas, "All you need is a good init" (arXiv:1511.06422): else the
    sums of residual nets grow until sigmoids saturate and all scores are the same.
    """
    generator = torch.Generator().manual_seed(seed)
    for name in net.inputs:
        blob = net.blobs[name]
        blob.tensor = torch.rand(blob.shape, generator=generator) * 2 - 1
    for index, layer in enumerate(net.steps):
        for i, param in enumerate(layer.params):
            param.tensor = _values(layer, i, param.shape, generator)
        if layer.params and len(layer.params[0].shape) > 1:
            net.run(index, index)
            spread = net.blobs[layer.node.tops[0]].tensor.std().clamp(min=1e-6)
            layer.params[0].tensor = layer.params[0].tensor.detach() / spread
        if layer.node.type not in _LATE:
            net.run(index, index)


def _values(
    layer: Layer, index: int, shape: tuple[int, ...], generator: torch.Generator
) -> torch.Tensor:
    kind = layer.node.type
    if kind == "BatchNorm" and index == 2:
        return torch.ones(shape)
    noise = torch.randn(shape, generator=generator)
    if kind in ("Scale", "Normalize", "PReLU") and index == 0:
        return noise * SPREAD + 1
    if kind == "BatchNorm" and index == 1:
        return (noise * SPREAD + 1).abs() + 0.1
    if index == 0 and len(shape) > 1:
        fan_in = noise.numel() / shape[0]
        return noise * float((2 / fan_in) ** 0.5)
    return noise * SPREAD


def write_random_weights(deploy: DeployNet, path: Path | str, seed: int = 0) -> None:
    """Write a caffemodel of random weights for a net.

    >>> write_random_weights("tiny_ssd/deploy.prototxt", "any.caffemodel", seed=1)

    Raises:
        InputError: the prototxt is wrong.
        OutputError: the file cannot be written.
    """
    net = Net(read_deploy(deploy), device=str(find_device("cpu")))
    randomise(net, seed)
    net.save(path)
