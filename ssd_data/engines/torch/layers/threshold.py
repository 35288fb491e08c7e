"""Threshold (``threshold_param``)."""

from __future__ import annotations

from torch import Tensor

from ssd_data.engines.torch.layer import Elementwise


class Threshold(Elementwise):
    """y = 1 where x is above the threshold, else 0; it has no gradient."""

    no_gradient = (0,)

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The bottom's shape."""
        return (bottoms[0] > self.param.threshold_param.threshold).to(bottoms[0].dtype)
