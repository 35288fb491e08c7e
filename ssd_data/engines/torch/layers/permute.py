"""Permute: SSD's change of the axes' order (``permute_param``)."""

from __future__ import annotations

from torch import Tensor

from ssd_data.engines.torch.layer import Layer


class Permute(Layer):
    """The axes in ``order``; those not named follow in their own order."""

    def setup(self, *bottoms: Tensor) -> None:
        """Check the order."""
        given, axes = list(self.param.permute_param.order), range(bottoms[0].dim())
        self.order = given + [axis for axis in axes if axis not in given]
        if sorted(self.order) != list(axes):
            raise self.error(f"has order {given} for a bottom of {len(axes)} axes")

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The sizes in that order."""
        return bottoms[0].permute(self.order).contiguous()
