"""HardSigmoid, as several forks have it (``hard_sigmoid_param`` or ``hardsigmoid_param``)."""

from __future__ import annotations

from torch import Tensor

from ssd_data.engines.torch.layer import Elementwise
from ssd_data.nets.activations import hard_sigmoid_line


class HardSigmoid(Elementwise):
    """y = min(max(alpha · x + beta, 0), 1), with 0.2 and 0.5 unless others are given."""

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The bottom's shape."""
        alpha, beta = hard_sigmoid_line(self.node)
        return (bottoms[0] * alpha + beta).clamp(0, 1)
