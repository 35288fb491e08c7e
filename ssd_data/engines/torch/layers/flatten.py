"""Flatten (``flatten_param``)."""

from __future__ import annotations

from torch import Tensor

from ssd_data.engines.torch.layer import Layer


class Flatten(Layer):
    """The axes from ``axis`` to ``end_axis`` as one."""

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The sizes before, their product, the sizes after."""
        p, x = self.param.flatten_param, bottoms[0]
        return x.flatten(self.axis(p.axis, x), self.axis(p.end_axis, x))
