"""Axpy, of SENet's fork: a map scaled channel by channel, and another added."""

from __future__ import annotations

from torch import Tensor

from ssd_data.engines.torch.layer import Layer, Tops, along


class Axpy(Layer):
    """y = a · x + b. Bottoms: a (batch, channels) or (batch, channels, 1, 1); x and b of one
    shape."""

    bottoms = (3, 3)

    def outline(self, *bottoms: Tensor) -> Tops:
        """The second bottom's shape.

        Raises:
            ValueError: the three do not fit one another.
        """
        a, x, b = bottoms
        if x.shape != b.shape:
            raise ValueError("the second and the third differ")
        if a.shape[:2] != x.shape[:2] or any(n != 1 for n in a.shape[2:]):
            raise ValueError("the first has not one value a channel")
        return x

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The second bottom's shape."""
        a, x, b = bottoms
        return along(a.flatten(1), x, 0) * x + b
