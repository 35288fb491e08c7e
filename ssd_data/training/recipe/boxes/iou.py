"""1 - IoU (J. Yu et al., UnitBox, arXiv:1608.01471, in the linear form of arXiv:1902.09630)."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from ssd_data.training.recipe.boxes._base import BoxLoss
from ssd_data.training.recipe.boxes._shapes import shapes_of
from ssd_data.training.recipe.pairs import MatchedPairs


class Iou(BoxLoss, frozen=True):
    """1 - IoU; boxes that do not touch get no gradient."""

    kind: ClassVar[str] = "iou"

    def losses(self, pairs: MatchedPairs) -> Tensor:
        """See :class:`BoxLoss`."""
        return 1 - shapes_of(pairs.given, pairs.wanted).iou


ELEMENT = Iou
