"""Varifocal loss (H. Zhang et al., VarifocalNet, arXiv:2008.13367, equation 2): as quality focal,
but what has a truth is not weighted by how wrong it is."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec
import torch
from torch import Tensor

from ssd_data.engines.torch.loss import sigmoid_losses
from ssd_data.training.recipe.classification._base import ClassLoss
from ssd_data.training.recipe.classification._sigmoids import qualities, rare
from ssd_data.training.recipe.pairs import Predictions, PriorMatches
from ssd_data.training.recipe.parts import Share


class Varifocal(ClassLoss, frozen=True):
    """q times the cross entropy of p with q, q the overlap of the predicted box with its truth; of
    other classes and priors alpha · p^gamma · -log (1 - p).

    Attributes:
        prior: as :class:`~ssd_data.training.recipe.classification.focal.Focal`.
    """

    kind: ClassVar[str] = "varifocal"
    needs_sigmoid: ClassVar[bool] = True
    alpha: Share = 0.75
    gamma: Annotated[float, msgspec.Meta(ge=0, le=10)] = 2.0
    prior: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.01

    def loss(self, predictions: Predictions, matches: PriorMatches, chosen: Tensor) -> Tensor:
        """See :class:`ClassLoss`."""
        scores = predictions.scores[..., predictions.objects]
        return self.of_sigmoids(scores[chosen], qualities(predictions, matches)[chosen]).sum()

    def of_sigmoids(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Of each score and its target in 0 … 1; the scores' shape."""
        easy = self.alpha * torch.sigmoid(scores) ** self.gamma
        weight = torch.where(targets > 0, targets, easy)
        return weight * sigmoid_losses(scores, targets)

    def first_bias(self, classes: int, background: int, logistic: bool) -> list[float] | None:
        """See :class:`ClassLoss`."""
        return rare(self.prior, classes, background)


ELEMENT = Varifocal
