"""The net's own classification loss: cross entropy of the priors that mining has chosen; with
smoothed labels on request (C. Szegedy et al., arXiv:1512.00567, section 7)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from ssd_data.engines.torch.loss import sigmoid_losses
from ssd_data.training.recipe.classification._base import ClassLoss
from ssd_data.training.recipe.pairs import Predictions, PriorMatches
from ssd_data.training.recipe.parts import Share


class OriginalClasses(ClassLoss, frozen=True):
    """Mining and cross entropy as the net's prototxt says.

    Attributes:
        smoothing: e; of a softmax over C classes the target is 1 - e + e / C for the label's class
            and e / C for others, of each sigmoid 1 - e / 2 and e / 2. Mining does not see it.
    """

    kind: ClassVar[str] = "original"
    smoothing: Share = 0.0

    def choose(
        self, predictions: Predictions, matches: PriorMatches
    ) -> tuple[PriorMatches, Tensor]:
        """See :class:`ClassLoss`."""
        p, layer = predictions, predictions.layer
        if not layer.mines:
            return matches, torch.ones_like(matches.index, dtype=torch.bool)
        offsets, index = p.offsets[:, :, None], matches.index[..., None]
        index, chosen = layer.mine(p.scores, offsets, p.priors, p.truth, index, matches.overlap)
        return PriorMatches(index[..., 0], matches.overlap), chosen

    def loss(self, predictions: Predictions, matches: PriorMatches, chosen: Tensor) -> Tensor:
        """See :class:`ClassLoss`."""
        p, index = predictions, matches.index
        if not self.smoothing:
            return p.layer.conf_loss_of(p.scores, p.truth, index[..., None], chosen)
        scores, labels = p.scores[chosen], p.labels(index)[chosen]
        targets = torch.zeros_like(scores).scatter_(1, labels[:, None], 1)
        if p.logistic:
            targets = targets * (1 - self.smoothing) + self.smoothing / 2
            return sigmoid_losses(scores, targets).sum()
        targets = targets * (1 - self.smoothing) + self.smoothing / scores.shape[1]
        return -(targets * torch.log_softmax(scores, 1)).sum()


ELEMENT = OriginalClasses
