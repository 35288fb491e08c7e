"""ArgMax (``argmax_param``)."""

from __future__ import annotations

import torch
from torch import Tensor

from ssd_data.engines.torch.layer import Layer


class ArgMax(Layer):
    """Index of the ``top_k`` largest values: along ``axis``, or over each picture's values.

    Without ``axis`` the top is (batch, 1, top_k), or (batch, 2, top_k) with the values below the
    indices (``out_max_val``); with it, indices or values take the axis' place.
    """

    no_gradient = (0,)

    def forward(self, *bottoms: Tensor) -> Tensor:
        """Indices as float32."""
        p, x = self.param.argmax_param, bottoms[0]
        if p.HasField("axis"):
            axis = self.axis(p.axis, x)
            values, indices = torch.topk(x, p.top_k, axis)
            return values if p.out_max_val else indices.to(x.dtype)
        values, indices = torch.topk(x.flatten(1), p.top_k, 1)
        rows = [indices.to(x.dtype), values] if p.out_max_val else [indices.to(x.dtype)]
        return torch.stack(rows, 1)
