"""AbsVal."""

from __future__ import annotations

from torch import Tensor

from ssd_data.engines.torch.layer import Elementwise


class AbsVal(Elementwise):
    """y = |x|."""

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The bottom's shape."""
        return bottoms[0].abs()
