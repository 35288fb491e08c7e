"""Reshape (``reshape_param``)."""

from __future__ import annotations

from torch import Tensor

from ssd_data.engines.torch.layer import Layer
from ssd_data.nets.geometry import reshape_target


class Reshape(Layer):
    """From ``axis`` on, ``num_axes`` axes get the sizes of ``shape``: 0 copies, -1 is the rest."""

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The same values in the new shape."""
        return bottoms[0].reshape(reshape_target(self.node, bottoms[0].shape))
