"""BNLL: binomial normal log likelihood."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from ssd_data.engines.torch.layer import Elementwise


class BNLL(Elementwise):
    """y = log(1 + exp(x)), in a form that does not overflow."""

    single = True

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The bottom's shape."""
        return functional.softplus(bottoms[0])
