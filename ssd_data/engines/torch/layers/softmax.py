"""Softmax (``softmax_param``)."""

from __future__ import annotations

import torch
from torch import Tensor

from ssd_data.engines.torch.layer import Elementwise


class Softmax(Elementwise):
    """exp(x) over its sum along ``axis``."""

    single = True

    def outline(self, *bottoms: Tensor) -> Tensor:
        """The bottom's shape, if it has the axis."""
        self.axis(self.param.softmax_param.axis, bottoms[0])
        return bottoms[0]

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The bottom's shape."""
        return torch.softmax(bottoms[0], self.axis(self.param.softmax_param.axis, bottoms[0]))
