"""How parameters start: Caffe's fillers (``include/caffe/filler.hpp``)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ssd_data.core.errors import InputError
from ssd_data.proto import caffe_pb2

_F = caffe_pb2.FillerParameter


def fill(tensor: Tensor, filler: caffe_pb2.FillerParameter, where: str = "") -> None:
    """Fill a parameter in place, with torch's random generator.

    Raises:
        InputError: the filler's type is not known, or does not fit the shape.
    """
    if filler.type not in FILLERS:
        hint = "Known are " + ", ".join(FILLERS)
        raise InputError(f'no filler is called "{filler.type}"', where=where, hint=hint)
    if filler.sparse != -1 and filler.type != "gaussian":
        raise InputError("only the gaussian filler can be sparse", where=where)
    with torch.no_grad():
        FILLERS[filler.type](tensor, filler, where)


def _gaussian(tensor: Tensor, filler: caffe_pb2.FillerParameter, where: str) -> None:
    tensor.normal_(filler.mean, filler.std)
    if filler.sparse >= 0:
        # On average `sparse` inputs of each output stay; Caffe takes axis 0 for the outputs.
        tensor.mul_(torch.bernoulli(torch.full_like(tensor, filler.sparse / tensor.shape[0])))


def _xavier(tensor: Tensor, filler: caffe_pb2.FillerParameter, where: str) -> None:
    scale = math.sqrt(3 / _fan(tensor, filler))
    tensor.uniform_(-scale, scale)


def _fan(tensor: Tensor, filler: caffe_pb2.FillerParameter) -> float:
    """Values per output, per input, or their mean: Caffe's count / num and count / channels."""
    fan_in = tensor.numel() / tensor.shape[0]
    fan_out = tensor.numel() / (tensor.shape[1] if tensor.dim() > 1 else 1)
    if filler.variance_norm == _F.FAN_OUT:
        return fan_out
    return (fan_in + fan_out) / 2 if filler.variance_norm == _F.AVERAGE else fan_in


def _bilinear(tensor: Tensor, filler: caffe_pb2.FillerParameter, where: str) -> None:
    """A kernel that enlarges by bilinear interpolation."""
    if tensor.dim() != 4 or tensor.shape[2] != tensor.shape[3]:
        raise InputError("the bilinear filler wants a square kernel", where=where)
    width = tensor.shape[3]
    factor = math.ceil(width / 2)
    centre = (2 * factor - 1 - factor % 2) / (2 * factor)  # the original's, odd for 3 and 6
    line = 1 - (torch.arange(width) / factor - centre).abs()
    tensor.copy_(line[:, None] * line[None, :])


def _positive_unitball(tensor: Tensor, filler: caffe_pb2.FillerParameter, where: str) -> None:
    """Uniform in 0…1, each output's values divided by their sum."""
    flat = tensor.uniform_(0, 1).view(tensor.shape[0], -1)
    flat.div_(flat.sum(1, keepdim=True))


FILLERS: dict[str, Callable[[Tensor, caffe_pb2.FillerParameter, str], object]] = {
    "constant": lambda tensor, filler, _: tensor.fill_(filler.value),
    "uniform": lambda tensor, filler, _: tensor.uniform_(filler.min, filler.max),
    "gaussian": _gaussian,
    "xavier": _xavier,
    "msra": lambda tensor, filler, _: tensor.normal_(0, math.sqrt(2 / _fan(tensor, filler))),
    "bilinear": _bilinear,
    "positive_unitball": _positive_unitball,
}
