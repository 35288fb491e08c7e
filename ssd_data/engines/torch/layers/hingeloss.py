"""HingeLoss (``hinge_loss_param``)."""

from __future__ import annotations

import torch
from torch import Tensor

from ssd_data.engines.torch.labels import require_labels
from ssd_data.engines.torch.loss import LossLayer
from ssd_data.proto import caffe_pb2


class HingeLoss(LossLayer):
    """Σ max(0, 1 ± score) (or its square), − for the label's score, by the number of pictures."""

    def check_shapes(self, *bottoms: Tensor) -> None:
        """One label a picture."""
        self.require_pictures(bottoms[0])
        if bottoms[1].numel() != len(bottoms[0]):
            raise self.error(f"has {bottoms[1].numel()} labels for {len(bottoms[0])} pictures")

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The loss, a scalar."""
        scores, label = bottoms[0].flatten(1), bottoms[1].detach().flatten().long()
        require_labels(self, label, scores.shape[1])
        sign = torch.ones_like(scores).scatter(1, label[:, None], -1)
        margins = torch.relu(1 + sign * scores)
        if self.param.hinge_loss_param.norm == caffe_pb2.HingeLossParameter.L2:
            margins = margins * margins
        return margins.sum() / self.pictures(bottoms[0])
