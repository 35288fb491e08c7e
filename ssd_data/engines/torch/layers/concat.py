"""Concat (``concat_param``)."""

from __future__ import annotations

import torch
from torch import Tensor

from ssd_data.engines.torch.layer import Layer, sized
from ssd_data.nets.geometry import concat_axis


class Concat(Layer):
    """The bottoms one after another along ``axis`` (or the old ``concat_dim``)."""

    bottoms = (1, 1000)

    def setup(self, *bottoms: Tensor) -> None:
        """Read the axis."""
        self.along = concat_axis(self.node, bottoms[0].dim())

    def outline(self, *bottoms: Tensor) -> Tensor:
        """All sizes but that of the axis are the bottoms'."""
        axis = self.along
        if len({(*b.shape[:axis], *b.shape[axis + 1 :]) for b in bottoms}) > 1:
            raise ValueError(f"they differ in more than axis {axis}")
        shape = list(bottoms[0].shape)
        shape[axis] = sum(b.shape[axis] for b in bottoms)
        return sized(*shape)

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The bottoms' values."""
        return torch.cat(bottoms, self.along)
