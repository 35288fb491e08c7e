"""SigmoidCrossEntropyLoss: a loss for each class alone (``loss_param``)."""

from __future__ import annotations

import torch
from torch import Tensor

from ssd_data.engines.torch.loss import BATCH_SIZE, LossLayer, pictures, sigmoid_losses


class SigmoidCrossEntropyLoss(LossLayer):
    """Cross entropy of sigmoids and targets in [0, 1], summed and normalised.

    Targets whose whole part is ``ignore_label`` do not count.
    """

    usual_normalization = BATCH_SIZE

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The loss, a scalar."""
        x = bottoms[0]
        target = bottoms[1].detach().reshape(x.shape)
        kept = torch.ones_like(target, dtype=torch.bool)
        if self.ignored is not None:
            kept = target.trunc() != self.ignored
        normalizer = self.normalizer(pictures(x), x.shape[1:].numel(), kept.sum())
        return sigmoid_losses(x[kept], target[kept]).sum() / normalizer
