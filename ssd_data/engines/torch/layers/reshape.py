"""Reshape (``reshape_param``)."""

from __future__ import annotations

from torch import Tensor

from ssd_data.engines.torch.layer import Layer


class Reshape(Layer):
    """From ``axis`` on, ``num_axes`` axes get the sizes of ``shape``: 0 copies, -1 is the rest."""

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The same values in the new shape."""
        p, x = self.param.reshape_param, bottoms[0]
        # Negative counts from behind the last axis: -1 appends.
        start = p.axis if p.axis >= 0 else x.dim() + p.axis + 1
        end = x.dim() if p.num_axes == -1 else start + p.num_axes
        if not 0 <= start <= end <= x.dim():
            raise self.error(f"has axis {p.axis} and {p.num_axes} axes for a bottom of {x.dim()}")
        middle = [x.shape[start + i] if size == 0 else size for i, size in enumerate(p.shape.dim)]
        return x.reshape([*x.shape[:start], *middle, *x.shape[end:]])
