"""MultiBoxFocalLoss, of chuanqi305's fork (``multibox_loss_param``, ``focal_loss_param``)."""

from __future__ import annotations

from torch import Tensor

from ssd_data.engines.torch.layers.multiboxloss import MultiBoxLoss
from ssd_data.engines.torch.loss import focal_losses


class MultiBoxFocalLoss(MultiBoxLoss):
    """A MultiBoxLoss whose softmax losses are FocalLoss's; matching, mining, the locations and the
    normaliser are the same."""

    def softmax_losses(self, scores: Tensor, labels: Tensor) -> Tensor:
        """FocalLoss's of each row."""
        p = self.param.focal_loss_param
        return focal_losses(scores, labels, p.alpha, p.gamma)
