"""Reorg, as Darknet has it (``reorg_param``)."""

from __future__ import annotations

from torch import Tensor

from ssd_data.engines.torch.layer import Layer
from ssd_data.nets.resizing import reorg_moves


class Reorg(Layer):
    """A map ``stride`` times smaller with as many more channels, or the other way (``reverse``)."""

    def forward(self, *bottoms: Tensor) -> Tensor:
        """(batch, channels, height, width)."""
        x = bottoms[0]
        self.require_axes(x, 4)
        moves = reorg_moves(self.node, x.shape)
        moved = x.reshape(len(x), *moves.parts).permute(moves.order)
        return moved.reshape(len(x), *moves.shape)
