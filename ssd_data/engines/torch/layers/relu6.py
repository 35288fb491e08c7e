"""ReLU6, as several forks have it."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from ssd_data.engines.torch.layer import Elementwise


class ReLU6(Elementwise):
    """y = min(max(x, 0), 6)."""

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The bottom's shape."""
        return functional.relu6(bottoms[0])
