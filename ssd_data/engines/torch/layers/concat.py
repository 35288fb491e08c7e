"""Concat (``concat_param``)."""

from __future__ import annotations

import torch
from torch import Tensor

from ssd_data.engines.torch.layer import Layer


class Concat(Layer):
    """The bottoms one after another along ``axis`` (or the old ``concat_dim``)."""

    bottoms = (1, 1000)

    def forward(self, *bottoms: Tensor) -> Tensor:
        """All sizes but that of the axis are the bottoms'."""
        p = self.param.concat_param
        axis = p.concat_dim if p.HasField("concat_dim") else p.axis
        return torch.cat(bottoms, self.axis(axis, bottoms[0]))
