"""SoftmaxWithLoss: the loss of classifiers (``softmax_param``, ``loss_param``)."""

from __future__ import annotations

import torch
from torch import Tensor

from ssd_data.engines.torch.labels import require_one_label_each, rows_that_count
from ssd_data.engines.torch.loss import LossLayer, softmax_losses


class SoftmaxWithLoss(LossLayer):
    """-log softmax of the label, summed and normalised; a second top has the probabilities.

    Labels of ``ignore_label`` do not count.
    """

    def infer(self, *bottoms: Tensor) -> tuple[Tensor, ...]:
        """A scalar, and the first bottom's shape."""
        return (*super().infer(*bottoms), bottoms[0])

    def check_shapes(self, *bottoms: Tensor) -> None:
        """One label for each place outside the axis of the classes."""
        axis = self.axis(self.param.softmax_param.axis, bottoms[0])
        require_one_label_each(self, bottoms[0], axis, bottoms[1])

    def forward(self, *bottoms: Tensor) -> tuple[Tensor, ...]:
        """The loss and the probabilities, which give no gradient."""
        x, label = bottoms
        axis = self.axis(self.param.softmax_param.axis, x)
        rows, labels = rows_that_count(self, x, axis, label, self.ignored)
        outer = x.shape[:axis].numel()
        valid = torch.tensor(len(labels), device=x.device)
        normalizer = self.normalizer(outer, x.shape[axis + 1 :].numel(), valid)
        loss = softmax_losses(rows, labels).sum() / normalizer
        return loss, torch.softmax(x.detach(), axis)
