"""Crop: cut the first bottom to the second's size (``crop_param``)."""

from __future__ import annotations

from torch import Tensor

from ssd_data.engines.torch.layer import Layer
from ssd_data.nets.geometry import crop_parts


class Crop(Layer):
    """From ``axis`` on, each axis starts at its ``offset`` (one for all, or one each)."""

    bottoms = (2, 2)

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The first bottom's sizes before the axis, the second's from it on."""
        x, like = bottoms
        for axis, start, end in crop_parts(self.node, x.shape, like.shape):
            x = x.narrow(axis, start, end - start)
        return x.clone()
