"""What a matching is."""

from __future__ import annotations

from typing import ClassVar

from ssd_data.training.recipe.pairs import Predictions, PriorMatches
from ssd_data.training.recipe.parts import RecipePart


class MatchingRule(RecipePart, frozen=True):
    """Which prior is which truth's.

    Attributes:
        kind: the element's name.
        by_priors: whether it goes by the priors alone, as ``ignore_cross_boundary_bbox`` and
            ``match_type`` mean them.
    """

    kind: ClassVar[str] = ""
    by_priors: ClassVar[bool] = False

    def match(self, predictions: Predictions) -> PriorMatches:
        """The matches of a batch; no gradients."""
        raise NotImplementedError
