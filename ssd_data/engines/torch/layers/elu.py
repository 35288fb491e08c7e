"""ELU (``elu_param``)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from ssd_data.engines.torch.layer import Elementwise


class ELU(Elementwise):
    """y = x where x > 0, else alpha · (exp(x) - 1)."""

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The bottom's shape."""
        return functional.elu(bottoms[0], self.param.elu_param.alpha)
