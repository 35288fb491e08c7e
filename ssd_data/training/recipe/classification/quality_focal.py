"""Quality focal loss (X. Li et al., Generalized Focal Loss, arXiv:2006.04388, equation 2): a score
is to say how well the box fits."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec
import torch
from torch import Tensor

from ssd_data.engines.torch.loss import sigmoid_losses
from ssd_data.training.recipe.classification._base import ClassLoss
from ssd_data.training.recipe.classification._sigmoids import qualities, rare
from ssd_data.training.recipe.pairs import Predictions, PriorMatches


class QualityFocal(ClassLoss, frozen=True):
    """|y - p|^beta times the cross entropy of p with y: the overlap of the predicted box with its
    truth, of the truth's class, else 0.

    Attributes:
        prior: as :class:`~ssd_data.training.recipe.classification.focal.Focal`.
    """

    kind: ClassVar[str] = "quality_focal"
    needs_sigmoid: ClassVar[bool] = True
    beta: Annotated[float, msgspec.Meta(ge=0, le=10)] = 2.0
    prior: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.01

    def loss(self, predictions: Predictions, matches: PriorMatches, chosen: Tensor) -> Tensor:
        """See :class:`ClassLoss`."""
        scores = predictions.scores[..., predictions.objects]
        return self.of_sigmoids(scores[chosen], qualities(predictions, matches)[chosen]).sum()

    def of_sigmoids(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Of each score and its target in 0 … 1; the scores' shape."""
        wrong = (targets - torch.sigmoid(scores)).abs()
        return wrong**self.beta * sigmoid_losses(scores, targets)

    def first_bias(self, classes: int, background: int, logistic: bool) -> list[float] | None:
        """See :class:`ClassLoss`."""
        return rare(self.prior, classes, background)


ELEMENT = QualityFocal
