"""Locations as a net predicts them, decoded to boxes.

Formulas: weiliu89/caffe, ``DecodeBBox`` in ``src/caffe/util/bbox_util.cpp``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ssd_data.proto import caffe_pb2

_C = caffe_pb2.PriorBoxParameter


def decode(
    locations: Tensor, priors: Tensor, variances: Tensor, code_type: int, in_target: bool
) -> Tensor:
    """Boxes, float32 (…, 4), fractions of the picture, xmin ymin xmax ymax, not clipped.

    Args:
        locations: (…, 4) as predicted.
        priors: (…, 4) fractions. variances: (…, 4).
        code_type: ``PriorBoxParameter.CodeType``.
        in_target: whether the variances are in the prediction already.
    """
    if not in_target:
        locations = variances * locations
    if code_type == _C.CORNER:
        return priors + locations
    low, high = priors[..., :2], priors[..., 2:]
    size = high - low
    if code_type == _C.CORNER_SIZE:
        return priors + locations * torch.cat([size, size], -1)
    centre = locations[..., :2] * size + (low + high) / 2
    half = torch.exp(locations[..., 2:]) * size / 2
    return torch.cat([centre - half, centre + half], -1)
