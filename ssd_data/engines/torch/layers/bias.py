"""Bias: add an array along some axes (``bias_param``)."""

from __future__ import annotations

from torch import Tensor

from ssd_data.engines.torch.layer import Stretched, along


class Bias(Stretched):
    """y = x + bias. With two bottoms the second is the bias, else it is learned."""

    bottoms = (1, 2)

    def setup(self, *bottoms: Tensor) -> None:
        """Make the bias, unless it is a bottom."""
        p = self.param.bias_param
        self.start = self.axis(p.axis, bottoms[0])
        if len(bottoms) == 1:
            rest = tuple(bottoms[0].shape[self.start :])
            self.add_weight(rest if p.num_axes == -1 else rest[: p.num_axes], p.filler)

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The first bottom's shape."""
        x, bias = (*bottoms, *self.weights)
        return x + along(bias, x, self.start)
