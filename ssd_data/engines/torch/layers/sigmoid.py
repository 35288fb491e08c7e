"""Sigmoid."""

from __future__ import annotations

import torch
from torch import Tensor

from ssd_data.engines.torch.layer import Elementwise


class Sigmoid(Elementwise):
    """y = 1 / (1 + exp(-x))."""

    single = True

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The bottom's shape."""
        return torch.sigmoid(bottoms[0])
