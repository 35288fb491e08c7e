"""Focal loss (T.-Y. Lin et al., Focal Loss for Dense Object Detection, arXiv:1708.02002): of all
priors, without mining; the many easy ones count little."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

import msgspec
import torch
from torch import Tensor
from torch.nn import functional

from ssd_data.engines.torch.loss import sigmoid_losses
from ssd_data.training.recipe.classification._base import ClassLoss
from ssd_data.training.recipe.classification._sigmoids import one_hot, rare
from ssd_data.training.recipe.pairs import Predictions, PriorMatches
from ssd_data.training.recipe.parts import Share

Chance = Annotated[float, msgspec.Meta(gt=0, lt=1)]


class Focal(ClassLoss, frozen=True):
    """a · (1 - p)^gamma · -log p, p the probability of what is true.

    Of a net with sigmoids (``conf_loss_type: LOGISTIC``) the sum over all classes but the
    background, with a = alpha where the class is the truth's, else 1 - alpha; of one with a softmax
    a = alpha for priors with a truth, 1 - alpha for the background.

    Attributes:
        prior: the probability of an object that the biases of new class heads begin with.
        smoothing: e, of sigmoids: targets of 1 - e / 2 and e / 2.
    """

    kind: ClassVar[str] = "focal"
    gamma: Annotated[float, msgspec.Meta(ge=0, le=10)] = 2.0
    alpha: Share = 0.25
    prior: Chance = 0.01
    smoothing: Share = 0.0

    def loss(self, predictions: Predictions, matches: PriorMatches, chosen: Tensor) -> Tensor:
        """See :class:`ClassLoss`."""
        p = predictions
        if p.logistic:
            scores, targets = p.scores[..., p.objects], one_hot(p, matches)
            return self.of_sigmoids(scores[chosen], targets[chosen]).sum()
        labels = p.labels(matches.index)[chosen]
        return self.of_softmax(p.scores[chosen], labels, p.background).sum()

    def of_sigmoids(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Of each score and its target, 0 or 1; the scores' shape."""
        probability = torch.sigmoid(scores)
        wrong = probability * (1 - targets) + (1 - probability) * targets
        weight = self.alpha * targets + (1 - self.alpha) * (1 - targets)
        softened = targets * (1 - self.smoothing) + self.smoothing / 2
        return weight * wrong**self.gamma * sigmoid_losses(scores, softened)

    def of_softmax(self, scores: Tensor, labels: Tensor, background: int) -> Tensor:
        """Of each row of scores (K, C) and its label (K,); (K,)."""
        losses = functional.cross_entropy(scores, labels, reduction="none")
        wrong = -torch.expm1(-losses)  # 1 - p, exact also where p is near 1
        weight = torch.where(labels == background, 1 - self.alpha, self.alpha)
        if self.smoothing:
            whole = -torch.log_softmax(scores, 1).mean(1)
            losses = (1 - self.smoothing) * losses + self.smoothing * whole
        return weight * wrong**self.gamma * losses

    def first_bias(self, classes: int, background: int, logistic: bool) -> list[float] | None:
        """See :class:`ClassLoss`."""
        if logistic:
            return rare(self.prior, classes, background)
        most = math.log((classes - 1) * (1 - self.prior) / self.prior)
        return [most if c == background else 0.0 for c in range(classes)]


ELEMENT = Focal
