"""Swish, of BVLC's later Caffe (``swish_param``)."""

from __future__ import annotations

import torch
from torch import Tensor

from ssd_data.engines.torch.layer import Elementwise


class Swish(Elementwise):
    """y = x / (1 + exp(-beta · x))."""

    single = True

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The bottom's shape."""
        x = bottoms[0]
        return x * torch.sigmoid(x * self.param.swish_param.beta)
