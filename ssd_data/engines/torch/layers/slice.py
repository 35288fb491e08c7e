"""Slice (``slice_param``)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from ssd_data.engines.torch.layer import Layer


class Slice(Layer):
    """One bottom cut along an axis: at ``slice_point``, or into equal parts."""

    def setup(self, *bottoms: Tensor) -> None:
        """Check the points."""
        p, x = self.param.slice_param, bottoms[0]
        self.cut = self.axis(p.slice_dim if p.HasField("slice_dim") else p.axis, x)
        size, count = x.shape[self.cut], len(self.node.tops)
        points = list(p.slice_point)
        if not points:
            if not count or size % count:
                raise self.error(f"cannot cut {size} into {count} equal parts")
            points = [size // count * i for i in range(1, count)]
        ends = [0, *points, size]
        self.sizes = [b - a for a, b in pairwise(ends)]
        if len(points) != count - 1 or min(self.sizes) < 1:
            raise self.error(f"has slice points {points} for {count} tops and a size of {size}")

    def forward(self, *bottoms: Tensor) -> tuple[Tensor, ...]:
        """The parts, in order."""
        return tuple(part.clone() for part in torch.split(bottoms[0], self.sizes, self.cut))
