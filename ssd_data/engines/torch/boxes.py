"""Boxes as tensors: areas, overlaps, and the offsets between priors and boxes.

Boxes are float32 (…, 4): xmin, ymin, xmax, ymax, fractions of the picture. All of it is single
precision in the original's order of operations (``src/caffe/util/bbox_util.cpp``), so that what
ties there ties here.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ssd_data.proto import caffe_pb2

CORNER = caffe_pb2.PriorBoxParameter.CORNER
CENTER_SIZE = caffe_pb2.PriorBoxParameter.CENTER_SIZE


@dataclass(frozen=True, slots=True)
class Priors:
    """A net's priors: boxes and variances, each float32 (P, 4)."""

    boxes: Tensor
    variances: Tensor

    def rows(self, which: Tensor) -> Priors:
        """Those of the given indices."""
        return Priors(self.boxes[which], self.variances[which])


@dataclass(frozen=True, slots=True)
class Coding:
    """How a box is told from its prior (``code_type``).

    CORNER: the corners' differences. CORNER_SIZE: these over the prior's width and height.
    CENTER_SIZE: the centres' differences over the prior's size, and the logarithms of the sizes'
    ratios. All of them are divided by the variances, unless ``in_target``.
    """

    kind: int
    in_target: bool = False

    def encode(self, boxes: Tensor, priors: Priors) -> Tensor:
        """Offsets (K, 4) of boxes (K, 4) from as many priors."""
        if self.kind == CENTER_SIZE:
            size = _size(priors.boxes)
            shift = (_center(boxes) - _center(priors.boxes)) / size
            offsets = torch.cat([shift, (_size(boxes) / size).log()], -1)
        else:
            offsets = boxes - priors.boxes
            if self.kind != CORNER:
                offsets = offsets / _size(priors.boxes).repeat(1, 2)
        return offsets if self.in_target else offsets / priors.variances

    def decode(self, offsets: Tensor, priors: Priors) -> Tensor:
        """Boxes (…, 4) from offsets (…, 4) and priors that broadcast to them; not clipped."""
        if not self.in_target:
            offsets = priors.variances * offsets
        if self.kind == CORNER:
            return priors.boxes + offsets
        size = _size(priors.boxes)
        if self.kind != CENTER_SIZE:
            return priors.boxes + offsets * size.repeat(*[1] * (size.dim() - 1), 2)
        center = offsets[..., :2] * size + _center(priors.boxes)
        half = offsets[..., 2:].exp() * size / 2
        return torch.cat([center - half, center + half], -1)


def _size(boxes: Tensor) -> Tensor:
    return boxes[..., 2:] - boxes[..., :2]


def _center(boxes: Tensor) -> Tensor:
    return (boxes[..., :2] + boxes[..., 2:]) / 2


def area(boxes: Tensor) -> Tensor:
    """Width times height, 0 for an inverted box; (…)."""
    width, height = _size(boxes).unbind(-1)
    return torch.where((width < 0) | (height < 0), 0.0, width * height)


def overlaps(one: Tensor, other: Tensor) -> Tensor:
    """Jaccard overlap of boxes whose leading axes broadcast; 0 where nothing is shared."""
    # A coordinate at a time, dense and in place: several times as fast as along an axis of four.
    a = one.movedim(-1, 0).contiguous()
    b = other.movedim(-1, 0).contiguous()
    width = torch.minimum(a[2], b[2]).sub_(torch.maximum(a[0], b[0])).clamp_(min=0)
    height = torch.minimum(a[3], b[3]).sub_(torch.maximum(a[1], b[1])).clamp_(min=0)
    shared = width.mul_(height)
    union = (area(one) + area(other)).sub_(shared)
    return shared.div_(union).nan_to_num_(0, torch.inf)


def outside(boxes: Tensor) -> Tensor:
    """Which coordinates lie outside the picture; bool (…, 4)."""
    return (boxes < 0) | (boxes > 1)
