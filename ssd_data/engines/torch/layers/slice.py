"""Slice (``slice_param``)."""

from __future__ import annotations

import torch
from torch import Tensor

from ssd_data.engines.torch.layer import Layer
from ssd_data.nets.geometry import slice_axis, slice_parts


class Slice(Layer):
    """One bottom cut along an axis: at ``slice_point``, or into equal parts."""

    def setup(self, *bottoms: Tensor) -> None:
        """Check the points."""
        x = bottoms[0]
        self.cut = slice_axis(self.node, x.dim())
        self.sizes = [end - start for start, end in slice_parts(self.node, x.shape[self.cut])]

    def forward(self, *bottoms: Tensor) -> tuple[Tensor, ...]:
        """The parts, in order."""
        return tuple(part.clone() for part in torch.split(bottoms[0], self.sizes, self.cut))
