"""ShuffleChannel, of ShuffleNet's forks (``shuffle_channel_param``)."""

from __future__ import annotations

from torch import Tensor

from ssd_data.engines.torch.layer import Elementwise
from ssd_data.nets.resizing import shuffle_moves


class ShuffleChannel(Elementwise):
    """The channels in another order: those of ``group`` groups in turn."""

    def setup(self, *bottoms: Tensor) -> None:
        """Check the groups."""
        self.require_axes(bottoms[0], 2, 32)
        shuffle_moves(self.node, bottoms[0].shape)

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The bottom's shape."""
        x = bottoms[0]
        moves = shuffle_moves(self.node, x.shape)
        return x.reshape(len(x), *moves.parts).permute(moves.order).reshape(x.shape)
