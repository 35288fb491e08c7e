"""EuclideanLoss: half the squared distance a picture."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from ssd_data.engines.torch.loss import LossLayer, half_square


class EuclideanLoss(LossLayer):
    """Σ 0.5 (a - b)², divided by the number of pictures; both bottoms may get a gradient."""

    no_gradient: ClassVar[tuple[int, ...]] = ()

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The loss, a scalar."""
        a, b = bottoms
        return half_square(a - b.reshape(a.shape)).sum() / self.pictures(a)
