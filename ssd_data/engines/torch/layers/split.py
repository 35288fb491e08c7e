"""Split: one bottom under several names. Caffe inserts it where a blob has several readers."""

from __future__ import annotations

from torch import Tensor

from ssd_data.engines.torch.layer import Layer


class Split(Layer):
    """Each top is the bottom."""

    def forward(self, *bottoms: Tensor) -> tuple[Tensor, ...]:
        """As many as there are tops."""
        return tuple(bottoms[0].clone() for _ in self.node.tops)
