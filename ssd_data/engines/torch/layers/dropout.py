"""Dropout (``dropout_param``)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from ssd_data.engines.torch.layer import Elementwise


class Dropout(Elementwise):
    """In TRAIN each value is 0 with probability ``dropout_ratio``, the rest scaled up."""

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The bottom's shape."""
        return functional.dropout(bottoms[0], self.param.dropout_param.dropout_ratio, self.training)
