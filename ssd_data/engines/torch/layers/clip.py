"""Clip, of BVLC's later Caffe (``clip_param``)."""

from __future__ import annotations

from torch import Tensor

from ssd_data.engines.torch.layer import Elementwise
from ssd_data.nets.activations import clip_limits


class Clip(Elementwise):
    """y = max(min, min(x, max))."""

    def setup(self, *bottoms: Tensor) -> None:
        """Read the limits."""
        self.limits = clip_limits(self.node)

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The bottom's shape."""
        return bottoms[0].clamp(*self.limits)
