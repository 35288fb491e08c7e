"""PReLU: a ReLU whose slope below zero is learned (``prelu_param``)."""

from __future__ import annotations

import torch
from torch import Tensor

from ssd_data.engines.torch.layer import Elementwise, along
from ssd_data.proto import caffe_pb2


class PReLU(Elementwise):
    """y = x where x > 0, else slope · x, with one slope a channel or one for all."""

    def setup(self, *bottoms: Tensor) -> None:
        """Make the slopes; 0.25 by default."""
        p = self.param.prelu_param
        if bottoms[0].dim() < 2:
            raise self.error("takes a bottom of at least 2 axes")
        default = caffe_pb2.FillerParameter(type="constant", value=0.25)
        filler = p.filler if p.HasField("filler") else default
        self.add_weight(() if p.channel_shared else (bottoms[0].shape[1],), filler)

    def outline(self, *bottoms: Tensor) -> Tensor:
        """The bottom's shape, if it has a channel for each value."""
        self.check_along(tuple(self.weights[0].shape), bottoms[0], 1)
        return bottoms[0]

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The bottom's shape."""
        x, slope = bottoms[0], self.weights[0]
        return torch.where(x > 0, x, along(slope, x) * x)
