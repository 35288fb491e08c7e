"""Mish, as Darknet's converters have it."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from ssd_data.engines.torch.layer import Elementwise


class Mish(Elementwise):
    """y = x · tanh(log(1 + exp(x)))."""

    single = True

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The bottom's shape."""
        return functional.mish(bottoms[0])
