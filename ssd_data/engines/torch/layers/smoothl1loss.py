"""SmoothL1Loss: SSD's own, square near zero and straight beyond."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from ssd_data.engines.torch.loss import LossLayer, smooth_l1, with_value


class SmoothL1Loss(LossLayer):
    """Σ f(w (a - b)) over the number of pictures; f(d) = 0.5 d² where |d| < 1, else |d| - 0.5.

    A third bottom has the weights w. In the gradient the original leaves the outer w out (for
    weights of 0 and 1, which it is meant for, that is the same), and so does this.
    """

    bottoms = (2, 3)
    no_gradient: ClassVar[tuple[int, ...]] = (2,)

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The loss, a scalar."""
        a, b, *weights = (bottom.reshape(bottoms[0].shape) for bottom in bottoms)
        difference = a - b
        if weights:
            difference = with_value(weights[0] * difference, difference)
        return smooth_l1(difference).sum() / self.pictures(a)
