"""What a box loss is."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from ssd_data.training.recipe.pairs import MatchedPairs
from ssd_data.training.recipe.parts import AtLeast0, RecipePart


class BoxLoss(RecipePart, frozen=True):
    """What the boxes of matched priors cost.

    Attributes:
        kind: the element's name.
        weight: times the net's ``loc_weight``.
    """

    kind: ClassVar[str] = ""
    weight: AtLeast0 = 1.0

    def losses(self, pairs: MatchedPairs) -> Tensor:
        """The loss of each of K matches, float32 (K,); or of its parts, (K, …)."""
        raise NotImplementedError
