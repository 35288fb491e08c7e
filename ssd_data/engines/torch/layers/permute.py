"""Permute: SSD's change of the axes' order (``permute_param``)."""

from __future__ import annotations

from torch import Tensor

from ssd_data.engines.torch.layer import Layer
from ssd_data.nets.geometry import permute_order


class Permute(Layer):
    """The axes in ``order``; those not named follow in their own order."""

    def setup(self, *bottoms: Tensor) -> None:
        """Check the order."""
        self.order = permute_order(self.node, bottoms[0].dim())

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The sizes in that order."""
        return bottoms[0].permute(self.order).contiguous()
