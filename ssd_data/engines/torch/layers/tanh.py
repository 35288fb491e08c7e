"""TanH."""

from __future__ import annotations

import torch
from torch import Tensor

from ssd_data.engines.torch.layer import Elementwise


class TanH(Elementwise):
    """The hyperbolic tangent."""

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The bottom's shape."""
        return torch.tanh(bottoms[0])
