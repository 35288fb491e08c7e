"""Log (``log_param``)."""

from __future__ import annotations

from torch import Tensor

from ssd_data.engines.torch.layer import Elementwise
from ssd_data.nets.activations import logarithm


class Log(Elementwise):
    """y = the logarithm of shift + scale · x to a base; without a base the natural one."""

    single = True

    def setup(self, *bottoms: Tensor) -> None:
        """Read the base."""
        self.factor = logarithm(self.node)

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The bottom's shape."""
        p, x = self.param.log_param, bottoms[0]
        x = x if p.scale == 1 else x * p.scale
        x = x if p.shift == 0 else x + p.shift
        return x.log() if self.factor == 1 else x.log() * self.factor
