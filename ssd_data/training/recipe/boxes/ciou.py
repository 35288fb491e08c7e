"""Complete IoU (Z. Zheng et al., arXiv:1911.08287)."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from ssd_data.training.recipe.boxes._base import BoxLoss
from ssd_data.training.recipe.boxes._shapes import LEAST, shapes_of
from ssd_data.training.recipe.pairs import MatchedPairs


class Ciou(BoxLoss, frozen=True):
    """DIoU's loss, and a v on top, v = 4 / π² · (atan w'/h' - atan w/h)² of the boxes' sides, with
    a = v / (1 - IoU + v), through which no gradient goes."""

    kind: ClassVar[str] = "ciou"

    def losses(self, pairs: MatchedPairs) -> Tensor:
        """See :class:`BoxLoss`."""
        found = shapes_of(pairs.given, pairs.wanted)
        angles = [torch.atan2(size[:, 0], size[:, 1].clamp(min=LEAST)) for size in found.sizes]
        v = 4 / math.pi**2 * (angles[0] - angles[1]).square()
        with torch.no_grad():
            a = v / (1 - found.iou + v).clamp(min=LEAST)
        distance = found.apart / found.around.square().sum(1).clamp(min=LEAST)
        return 1 - found.iou + distance + a * v


ELEMENT = Ciou
