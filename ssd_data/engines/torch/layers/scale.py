"""Scale: multiply by an array along some axes, and add another (``scale_param``)."""

from __future__ import annotations

from torch import Tensor

from ssd_data.engines.torch.layer import Stretched, along


class Scale(Stretched):
    """y = scale · x + bias. With two bottoms the second is the scale, else it is learned."""

    bottoms = (1, 2)

    def setup(self, *bottoms: Tensor) -> None:
        """Make the scale (unless it is a bottom), and the bias where asked for."""
        p = self.param.scale_param
        self.start = self.axis(p.axis, bottoms[0])
        if len(bottoms) == 2:
            shape = tuple(bottoms[1].shape)
        else:
            rest = tuple(bottoms[0].shape[self.start :])
            shape = rest if p.num_axes == -1 else rest[: p.num_axes]
            self.add_weight(shape, p.filler if p.HasField("filler") else 1.0)
        if p.bias_term:
            self.add_weight(shape, p.bias_filler)

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The first bottom's shape."""
        x, *weights = *bottoms, *self.weights
        y = x * along(weights[0], x, self.start)
        return y + along(weights[1], x, self.start) if len(weights) > 1 else y
