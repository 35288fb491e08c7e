"""PReLU: a ReLU whose slope below zero is learned (``prelu_param``)."""

from __future__ import annotations

import torch
from torch import Tensor

from ssd_data.engines.torch.layer import Stretched, along


class PReLU(Stretched):
    """y = x where x > 0, else slope · x, with one slope a channel or one for all."""

    def setup(self, *bottoms: Tensor) -> None:
        """Make the slopes; 0.25 by default."""
        p = self.param.prelu_param
        if bottoms[0].dim() < 2:
            raise self.error("takes a bottom of at least 2 axes")
        filler = p.filler if p.HasField("filler") else 0.25
        self.add_weight(() if p.channel_shared else (bottoms[0].shape[1],), filler)

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The bottom's shape."""
        x, slope = bottoms[0], self.weights[0]
        return torch.where(x > 0, x, along(slope, x) * x)
