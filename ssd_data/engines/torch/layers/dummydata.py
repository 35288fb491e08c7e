"""DummyData: blobs of a filler's values (``dummy_data_param``)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ssd_data.engines.torch.fillers import fill
from ssd_data.engines.torch.layer import TOO_MANY, Layer
from ssd_data.nets.graph import MOST_VALUES


class DummyData(Layer):
    """Constant fillers give their values once, others anew each time. One filler or shape stands
    for all tops; without a filler they are 0."""

    bottoms = (0, 0)

    def setup(self, *bottoms: Tensor) -> None:
        """Read shapes and fillers."""
        p, count = self.param.dummy_data_param, len(self.node.tops)
        shapes = [tuple(shape.dim) for shape in p.shape]
        if not shapes:
            rows = zip(p.num, p.channels, p.height, p.width, strict=False)
            shapes = [tuple(row) for row in rows]
        fillers = list(p.data_filler)
        if len(shapes) not in (1, count) or len(fillers) not in (0, 1, count):
            raise self.error(
                f"has {len(shapes)} shapes and {len(fillers)} fillers for {count} tops",
                "Give one for all, or one each",
            )
        if any(n < 0 for shape in shapes for n in shape):
            raise self.error("has a negative size")
        if any(math.prod(n or 1 for n in shape) > MOST_VALUES for shape in shapes):
            raise self.error(TOO_MANY, "See its shape")
        self.shapes = shapes * count if len(shapes) == 1 else shapes
        self.fillers = fillers * count if len(fillers) == 1 else fillers

    def infer(self, *bottoms: Tensor) -> tuple[Tensor, ...]:
        """The shapes that it says."""
        return tuple(torch.empty(shape, device="meta") for shape in self.shapes)

    def forward(self, *bottoms: Tensor) -> tuple[Tensor, ...]:
        """Filled blobs."""
        tops = []
        for i, shape in enumerate(self.shapes):
            top = torch.zeros(shape)
            if self.fillers and not top.is_meta:
                fill(top, self.fillers[i], self.node.where)
            tops.append(top)
        return tuple(tops)
