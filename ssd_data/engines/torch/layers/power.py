"""Power (``power_param``)."""

from __future__ import annotations

import torch
from torch import Tensor

from ssd_data.engines.torch.layer import Elementwise


class Power(Elementwise):
    """y = (shift + scale · x) ^ power."""

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The bottom's shape."""
        p, x = self.param.power_param, bottoms[0]
        x = x if p.scale == 1 else x * p.scale
        x = x if p.shift == 0 else x + p.shift
        return x if p.power == 1 else torch.pow(x, p.power)
