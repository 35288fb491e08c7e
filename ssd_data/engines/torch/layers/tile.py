"""Tile (``tile_param``)."""

from __future__ import annotations

from torch import Tensor

from ssd_data.engines.torch.layer import Layer
from ssd_data.nets.activations import tiled_axis


class Tile(Layer):
    """The bottom ``tiles`` times, one after another along ``axis``."""

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The axis is ``tiles`` times as long."""
        x = bottoms[0]
        counts = [1] * x.dim()
        counts[tiled_axis(self.node, x.shape)] = self.param.tile_param.tiles
        return x.repeat(counts)
