"""Distance IoU (Z. Zheng et al., arXiv:1911.08287)."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from ssd_data.training.recipe.boxes._base import BoxLoss
from ssd_data.training.recipe.boxes._shapes import LEAST, shapes_of
from ssd_data.training.recipe.pairs import MatchedPairs


class Diou(BoxLoss, frozen=True):
    """1 - IoU + d² / c², d the distance of the centres, c the diagonal of the box around both."""

    kind: ClassVar[str] = "diou"

    def losses(self, pairs: MatchedPairs) -> Tensor:
        """See :class:`BoxLoss`."""
        found = shapes_of(pairs.given, pairs.wanted)
        return 1 - found.iou + found.apart / found.around.square().sum(1).clamp(min=LEAST)


ELEMENT = Diou
