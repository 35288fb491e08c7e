"""Generalised IoU (H. Rezatofighi et al., arXiv:1902.09630)."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from ssd_data.training.recipe.boxes._base import BoxLoss
from ssd_data.training.recipe.boxes._shapes import LEAST, shapes_of
from ssd_data.training.recipe.pairs import MatchedPairs


class Giou(BoxLoss, frozen=True):
    """1 - IoU + (C - U) / C, U the area of both boxes together, C that of the box around them."""

    kind: ClassVar[str] = "giou"

    def losses(self, pairs: MatchedPairs) -> Tensor:
        """See :class:`BoxLoss`."""
        found = shapes_of(pairs.given, pairs.wanted)
        around = found.around.prod(1)
        return 1 - found.iou + (around - found.union) / around.clamp(min=LEAST)


ELEMENT = Giou
