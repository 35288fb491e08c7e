"""Silence: reads blobs so that they are no outputs."""

from __future__ import annotations

from torch import Tensor

from ssd_data.engines.torch.layer import Layer


class Silence(Layer):
    """Gives nothing."""

    bottoms = (1, 1000)

    def forward(self, *bottoms: Tensor) -> tuple[Tensor, ...]:
        """Nothing."""
        return ()
