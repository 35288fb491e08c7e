"""ArgMax (``argmax_param``)."""

from __future__ import annotations

import torch
from torch import Tensor

from ssd_data.engines.torch.layer import Layer


class ArgMax(Layer):
    """Index of the ``top_k`` largest values: along ``axis``, or over each picture's values.

    Without ``axis`` the top is (batch, 1, top_k), or (batch, 2, top_k) with the values below the
    indices (``out_max_val``), with a last 1 where the bottom has 4 axes; with it, indices or values
    take the axis' place. Of equal values the one further on counts as larger.
    """

    no_gradient = (0,)

    def forward(self, *bottoms: Tensor) -> Tensor:
        """Indices as float32."""
        p, x = self.param.argmax_param, bottoms[0]
        if p.HasField("axis"):
            values, indices = self._best(x, self.axis(p.axis, x))
            return values if p.out_max_val else indices
        values, indices = self._best(x.flatten(1), 1)
        top = torch.stack([indices, values] if p.out_max_val else [indices], 1)
        return top.reshape(*top.shape, *[1] * (x.dim() - 3))

    def _best(self, x: Tensor, axis: int) -> tuple[Tensor, Tensor]:
        """Values and indices."""
        count, size = self.param.argmax_param.top_k, x.shape[axis]
        if not 1 <= count <= size:
            raise self.error(f"has top_k {count} of {size} values")
        values, order = torch.sort(x.flip(axis), dim=axis, descending=True, stable=True)
        indices = (size - 1 - order).to(x.dtype)
        return values.narrow(axis, 0, count), indices.narrow(axis, 0, count)
