"""Exp (``exp_param``)."""

from __future__ import annotations

from torch import Tensor

from ssd_data.engines.torch.layer import Elementwise
from ssd_data.nets.activations import exponential


class Exp(Elementwise):
    """y = base ^ (shift + scale · x); without a base e's power."""

    single = True

    def setup(self, *bottoms: Tensor) -> None:
        """Read the base."""
        self.inner, self.outer = exponential(self.node)

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The bottom's shape."""
        x = bottoms[0] if self.inner == 1 else bottoms[0] * self.inner
        return x.exp() if self.outer == 1 else x.exp() * self.outer
