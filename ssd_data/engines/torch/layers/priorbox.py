"""PriorBox: SSD's default boxes (``prior_box_param``)."""

from __future__ import annotations

import torch
from torch import Tensor

from ssd_data.engines.torch.layer import Layer
from ssd_data.nets.priors import prior_shapes, prior_values


class PriorBox(Layer):
    """Bottoms: a feature map and the picture, of which only the sizes count."""

    bottoms = (1, 2)
    no_gradient = (0, 1)

    def setup(self, *bottoms: Tensor) -> None:
        """Check the sizes."""
        for bottom in bottoms:
            self.require_axes(bottom, 4)
        self.count = len(prior_shapes(self.param.prior_box_param, self.node.where).sizes)
        self._made: dict[tuple[int, ...], Tensor] = {}

    def forward(self, *bottoms: Tensor) -> Tensor:
        """(1, 2, 4 · boxes): the boxes as fractions, and below them their variances."""
        sizes = (*bottoms[0].shape[2:], *bottoms[-1].shape[2:])
        if bottoms[0].is_meta:
            return bottoms[0].new_empty((1, 2, sizes[0] * sizes[1] * self.count * 4))
        if sizes not in self._made:
            param, where = self.param.prior_box_param, self.node.where
            both = torch.from_numpy(prior_values(param, sizes[:2], sizes[2:], where))
            self._made = {sizes: both[None].to(bottoms[0].device)}
        return self._made[sizes].clone()
