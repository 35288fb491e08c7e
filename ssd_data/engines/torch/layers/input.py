"""Input: blobs that the caller fills (``input_param``)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ssd_data.engines.torch.layer import TOO_MANY, Layer
from ssd_data.nets.graph import MOST_AXES, MOST_VALUES


class Input(Layer):
    """Gives nothing when it runs: its tops hold what the caller put there."""

    bottoms = (0, 0)

    def infer(self, *bottoms: Tensor) -> tuple[Tensor, ...]:
        """Shapes as the message has them: one for all tops, or one each."""
        shapes = [tuple(shape.dim) for shape in self.param.input_param.shape]
        if len(shapes) not in (1, len(self.node.tops)):
            raise self.error(f"has {len(shapes)} shapes for {len(self.node.tops)} tops")
        shapes = shapes * len(self.node.tops) if len(shapes) == 1 else shapes
        if (most := max(map(len, shapes), default=0)) > MOST_AXES:
            raise self.error(f"has {most} axes; Caffe has {MOST_AXES} at most")
        if any(n < 0 for shape in shapes for n in shape):
            raise self.error("has a negative size")
        if any(math.prod(n or 1 for n in shape) > MOST_VALUES for shape in shapes):
            raise self.error(TOO_MANY, "See its dim")
        return tuple(torch.empty(shape, device="meta") for shape in shapes)

    def forward(self, *bottoms: Tensor) -> tuple[Tensor, ...]:
        """Nothing."""
        return ()
