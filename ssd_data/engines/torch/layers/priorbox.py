"""PriorBox: SSD's default boxes (``prior_box_param``)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ssd_data.engines.torch.layer import Layer
from ssd_data.nets.priors import prior_boxes, prior_shapes


class PriorBox(Layer):
    """Bottoms: a feature map and the picture, of which only the sizes count."""

    bottoms = (1, 2)
    no_gradient = (0, 1)

    def setup(self, *bottoms: Tensor) -> None:
        """Check the sizes."""
        shapes = prior_shapes(self.param.prior_box_param, self.node.where)
        self.count, self.variances = len(shapes.sizes), shapes.variances
        self._made: dict[tuple[int, ...], Tensor] = {}

    def forward(self, *bottoms: Tensor) -> Tensor:
        """(1, 2, 4 · boxes): the boxes as fractions, and below them their variances."""
        sizes = (*bottoms[0].shape[2:], *bottoms[-1].shape[2:])
        if bottoms[0].is_meta:
            return bottoms[0].new_empty((1, 2, sizes[0] * sizes[1] * self.count * 4))
        if sizes not in self._made:
            boxes = prior_boxes(self.param.prior_box_param, sizes[:2], sizes[2:], self.node.where)
            variances = np.tile(np.array(self.variances, np.float32), len(boxes))
            both = torch.from_numpy(np.stack([boxes.reshape(-1), variances]))
            self._made = {sizes: both[None].to(bottoms[0].device)}
        return self._made[sizes].clone()
