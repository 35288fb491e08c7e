"""ContrastiveLoss (``contrastive_loss_param``)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from ssd_data.engines.torch.loss import LossLayer, half_square, with_value

_NEAR = 1e-4  # what the original adds to a distance before it divides by it


class ContrastiveLoss(LossLayer):
    """Half of d² for pairs that are alike, of max(margin - d, 0)² for the others (with
    ``legacy_version`` of max(margin - d², 0)), by the number of pairs.

    Bottoms: two vectors a pair, and 1 or 0: whether they are alike.
    """

    bottoms = (3, 3)
    no_gradient: ClassVar[tuple[int, ...]] = (2,)

    def check_shapes(self, *bottoms: Tensor) -> None:
        """Two vectors of one length, and one number a pair."""
        a, b, alike = bottoms
        self.require_pictures(a, b)
        if a.shape[:2] != b.shape[:2] or any(n != 1 for n in (*a.shape[2:], *b.shape[2:])):
            raise self.error(f"has vectors of shape {tuple(a.shape)} and {tuple(b.shape)}")
        if alike.numel() != len(a):
            raise self.error(f"has {alike.numel()} labels for {len(a)} pairs")

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The loss, a scalar."""
        a, b, label = bottoms
        p, alike = self.param.contrastive_loss_param, label.detach().flatten().long() != 0
        difference = (a - b).flatten(1)
        squares = (difference * difference).sum(1)
        if p.legacy_version:
            apart = torch.relu(p.margin - squares) / 2
        else:
            with torch.no_grad():
                distance = squares.sqrt()
                short = torch.relu(p.margin - distance)
                pull = short / (distance + _NEAR)
            apart = with_value(half_square(short), -pull * squares / 2)
        return torch.where(alike, squares / 2, apart).sum() / self.pictures(a)
