"""MVN: mean and variance of each map taken out (``mvn_param``)."""

from __future__ import annotations

import torch
from torch import Tensor

from ssd_data.engines.torch.layer import Elementwise


class MVN(Elementwise):
    """y = (x - mean) / (sqrt(variance) + eps), of each channel's map or of all channels'."""

    single = True

    def setup(self, *bottoms: Tensor) -> None:
        """Check the axes."""
        self.require_axes(bottoms[0], 4)

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The bottom's shape."""
        p, x = self.param.mvn_param, bottoms[0]
        axes = (1, 2, 3) if p.across_channels else (2, 3)
        x = x - x.mean(axes, keepdim=True)
        if not p.normalize_variance:
            return x
        variance = (x * x).mean(axes, keepdim=True)
        least = torch.finfo(x.dtype).tiny  # a root of 0 has no slope
        return x / (variance.clamp(min=least).sqrt() + p.eps)
