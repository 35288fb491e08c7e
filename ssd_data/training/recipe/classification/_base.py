"""What a classification loss is."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from ssd_data.engines.torch.matching import IGNORED
from ssd_data.training.recipe.pairs import Predictions, PriorMatches
from ssd_data.training.recipe.parts import RecipePart


class ClassLoss(RecipePart, frozen=True):
    """What the scores of all priors cost.

    Attributes:
        kind: the element's name.
        needs_sigmoid: whether the net must score each class by its own sigmoid (its
            ``conf_loss_type`` is LOGISTIC).
    """

    kind: ClassVar[str] = ""
    needs_sigmoid: ClassVar[bool] = False

    def choose(
        self, predictions: Predictions, matches: PriorMatches
    ) -> tuple[PriorMatches, Tensor]:
        """The matches that stay, and the priors to look at, bool (N, P): here all but ignored
        ones."""
        return matches, matches.index > IGNORED

    def loss(self, predictions: Predictions, matches: PriorMatches, chosen: Tensor) -> Tensor:
        """The sum over all chosen priors, a scalar."""
        raise NotImplementedError

    def first_bias(self, classes: int, background: int, logistic: bool) -> list[float] | None:
        """What the biases of a prior's classes begin with; None for what the net says."""
        return None
