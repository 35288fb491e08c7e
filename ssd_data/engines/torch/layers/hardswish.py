"""HardSwish, as several forks have it."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from ssd_data.engines.torch.layer import Elementwise


class HardSwish(Elementwise):
    """y = x · min(max(x + 3, 0), 6) / 6."""

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The bottom's shape."""
        return functional.hardswish(bottoms[0])
