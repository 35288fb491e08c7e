"""Boxes as tensors: areas, overlaps, and the offsets of boxes from their priors.

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
CORNER_SIZE = caffe_pb2.PriorBoxParameter.CORNER_SIZE
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

    def decode(self, locations: Tensor, priors: Priors) -> Tensor:
        """Boxes (…, 4) from locations (…, 4) and priors that broadcast to them; not clipped."""
        if not self.in_target:
            locations = priors.variances * locations
        if self.kind == CORNER:
            return priors.boxes + locations
        size = _size(priors.boxes)
        if self.kind == CORNER_SIZE:
            return priors.boxes + locations * torch.cat([size, size], -1)
        centre = locations[..., :2] * size + _center(priors.boxes)
        half = torch.exp(locations[..., 2:]) * size / 2
        return torch.cat([centre - half, centre + half], -1)


def _size(boxes: Tensor) -> Tensor:
    return boxes[..., 2:] - boxes[..., :2]


def _center(boxes: Tensor) -> Tensor:
    return (boxes[..., :2] + boxes[..., 2:]) / 2


def area(boxes: Tensor) -> Tensor:
    """Width times height; 0 of inverted boxes; (…)."""
    sides = _size(boxes)
    return torch.where((sides < 0).any(-1), 0.0, sides.prod(-1))


def overlap(a: Tensor, b: Tensor) -> Tensor:
    """Jaccard overlap of each of a (…, N, 4) with each of b (…, M, 4): (…, N, M).

    0 where boxes only touch, and for inverted ones.
    """
    # A coordinate at a time, dense and in place: several times as fast as along an axis of four.
    ax, ay, ar, ab = (side[..., :, None] for side in a.movedim(-1, 0).contiguous())
    bx, by, br, bb = (side[..., None, :] for side in b.movedim(-1, 0).contiguous())
    width = torch.minimum(ar, br).sub_(torch.maximum(ax, bx)).clamp_(min=0)
    height = torch.minimum(ab, bb).sub_(torch.maximum(ay, by)).clamp_(min=0)
    common = width.mul_(height)
    total = (area(a)[..., :, None] + area(b)[..., None, :]).sub_(common)
    return common.div_(total).nan_to_num_(0.0)  # 0 / 0 of boxes without area


def outside(boxes: Tensor) -> Tensor:
    """Which coordinates lie outside the picture; bool (…, 4)."""
    return (boxes < 0) | (boxes > 1)
