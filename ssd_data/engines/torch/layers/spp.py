"""SPP: poolings over ever smaller parts of a map, one after another (``spp_param``)."""

from __future__ import annotations

import torch
from torch import Tensor

from ssd_data.engines.torch.layer import Layer, Tops, as_tuple, sized
from ssd_data.engines.torch.layers.pooling import Pooling
from ssd_data.nets.resizing import pyramid


class SPP(Layer):
    """(batch, values): the map in 1x1, 2x2, 4x4 … windows. With one level alone it is a Pooling."""

    def setup(self, *bottoms: Tensor) -> None:
        """Set up the poolings."""
        x = bottoms[0]
        self.require_axes(x, 4)
        self.levels = [Pooling(n, self.phase) for n in pyramid(self.node, (x.shape[2], x.shape[3]))]
        for level in self.levels:
            level.setup(x)

    def outline(self, *bottoms: Tensor) -> Tops:
        """The tops' shape."""
        tops = [as_tuple(level.outline(*bottoms))[0] for level in self.levels]
        count = sum(top.shape[1:].numel() for top in tops)
        return tops[0] if len(tops) == 1 else sized(len(bottoms[0]), count)

    def forward(self, *bottoms: Tensor) -> Tensor:
        """See :meth:`outline`."""
        tops = [as_tuple(level.forward(*bottoms))[0] for level in self.levels]
        return tops[0] if len(tops) == 1 else torch.cat([top.flatten(1) for top in tops], 1)
