"""The net's own box loss, of the offsets' errors (``loc_loss_type``: smooth L1, or L2)."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from ssd_data.engines.torch.loss import half_square, smooth_l1
from ssd_data.training.recipe.boxes._base import BoxLoss
from ssd_data.training.recipe.pairs import MatchedPairs


class OriginalBoxes(BoxLoss, frozen=True):
    """Of each offset; to the last bit what the net itself computes."""

    kind: ClassVar[str] = "original"

    def losses(self, pairs: MatchedPairs) -> Tensor:
        """See :class:`BoxLoss`."""
        return (half_square if pairs.l2 else smooth_l1)(pairs.difference)


ELEMENT = OriginalBoxes
