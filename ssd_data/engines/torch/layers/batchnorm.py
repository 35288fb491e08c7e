"""BatchNorm: normalise each channel by its mean and variance (``batch_norm_param``)."""

from __future__ import annotations

import torch
from torch import Tensor

from ssd_data.engines.torch.layer import Elementwise


class BatchNorm(Elementwise):
    """Parameters: sums of means and of variances (channels), and the factor they are scaled by.

    Without ``use_global_stats`` a batch is normalised by its own biased variance, and the sums
    move: s = fraction · s + value, with the variance times m / (m - 1) of m values a channel.
    """

    statistics = True

    def setup(self, *bottoms: Tensor) -> None:
        """Make the three arrays of statistics."""
        p = self.param.batch_norm_param
        channels = bottoms[0].shape[1] if bottoms[0].dim() > 1 else 1
        self.eps, self.fraction = p.eps, p.moving_average_fraction
        has_choice = p.HasField("use_global_stats")
        self.uses_global = p.use_global_stats if has_choice else not self.training
        self.add_weight((channels,), 0.0)
        self.add_weight((channels,), 0.0)
        self.add_weight((1,), 0.0)

    def outline(self, *bottoms: Tensor) -> Tensor:
        """The bottom's shape, if it has the channels that the statistics are of."""
        if bottoms[0].dim() > 1:
            self.check_along(tuple(self.weights[0].shape), bottoms[0], 1)
        return bottoms[0]

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The bottom's shape."""
        x = bottoms[0]
        axes = [axis for axis in range(x.dim()) if axis != 1]
        shape = [1, -1] + [1] * (x.dim() - 2) if x.dim() > 1 else [-1]
        if self.uses_global:
            mean, variance = self.global_statistics()
        else:
            mean = x.mean(axes)
            variance = ((x - mean.view(shape)) ** 2).mean(axes)
            self._move(mean.detach(), variance.detach(), x.numel() // mean.numel())
        return (x - mean.view(shape)) / (variance.view(shape) + self.eps).sqrt()

    def global_statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and variance, each channel."""
        mean, variance, factor = self.weights
        scale = torch.where(factor == 0, torch.zeros_like(factor), 1 / factor)
        return mean * scale, variance * scale

    def _move(self, mean: Tensor, variance: Tensor, count: int) -> None:
        unbiased = variance * (count / (count - 1) if count > 1 else 1)
        with torch.no_grad():
            one = torch.ones_like(self.weights[2])
            for sums, value in zip(self.weights, (mean, unbiased, one), strict=True):
                sums.mul_(self.fraction).add_(value)
