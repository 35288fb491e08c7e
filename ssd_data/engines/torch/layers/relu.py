"""ReLU, leaky where ``relu_param`` has a slope."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from ssd_data.engines.torch.layer import Elementwise


class ReLU(Elementwise):
    """y = x where x > 0, else negative_slope · x."""

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The bottom's shape."""
        slope = self.param.relu_param.negative_slope
        return functional.leaky_relu(bottoms[0], slope) if slope else functional.relu(bottoms[0])
