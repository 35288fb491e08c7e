"""Crop: cut the first bottom to the second's size (``crop_param``)."""

from __future__ import annotations

from torch import Tensor

from ssd_data.engines.torch.layer import Layer


class Crop(Layer):
    """From ``axis`` on, each axis starts at its ``offset`` (one for all, or one each)."""

    bottoms = (2, 2)

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The first bottom's sizes before the axis, the second's from it on."""
        p, (x, like) = self.param.crop_param, bottoms
        start = self.axis(p.axis, x)
        offsets = list(p.offset) or [0]
        if len(offsets) not in (1, x.dim() - start):
            raise self.error(f"has {len(offsets)} offsets for {x.dim() - start} axes")
        for axis in range(start, x.dim()):
            offset = offsets[axis - start] if len(offsets) > 1 else offsets[0]
            if offset + like.shape[axis] > x.shape[axis]:
                raise self.error(f"reaches beyond the end of axis {axis}")
            x = x.narrow(axis, offset, like.shape[axis])
        return x.clone()
