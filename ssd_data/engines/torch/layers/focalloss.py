"""FocalLoss, of chuanqi305's fork: a SoftmaxWithLoss that minds the hard ones more
(``focal_loss_param``, ``loss_param``)."""

from __future__ import annotations

import torch
from torch import Tensor

from ssd_data.engines.torch.labels import require_one_label_each, rows_that_count
from ssd_data.engines.torch.loss import LossLayer, focal_losses


class FocalLoss(LossLayer):
    """-alpha · (1 - p) ^ gamma · log p, p the softmax of the label; summed and normalised as
    SoftmaxWithLoss's, and with its second top."""

    def infer(self, *bottoms: Tensor) -> tuple[Tensor, ...]:
        """A scalar, and the first bottom's shape."""
        return (*super().infer(*bottoms), bottoms[0])

    def check_shapes(self, *bottoms: Tensor) -> None:
        """One label for each place outside the axis of the classes."""
        axis = self.axis(self.param.focal_loss_param.axis, bottoms[0])
        require_one_label_each(self, bottoms[0], axis, bottoms[1])

    def forward(self, *bottoms: Tensor) -> tuple[Tensor, ...]:
        """The loss and the probabilities, which give no gradient."""
        x, label = bottoms
        p = self.param.focal_loss_param
        axis = self.axis(p.axis, x)
        rows, labels = rows_that_count(self, x, axis, label, self.ignored)
        valid = torch.tensor(len(labels), device=x.device)
        normalizer = self.normalizer(x.shape[:axis].numel(), x.shape[axis + 1 :].numel(), valid)
        loss = focal_losses(rows, labels, p.alpha, p.gamma).sum() / normalizer
        return loss, torch.softmax(x.detach(), axis)
