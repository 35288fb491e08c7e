"""BatchNorm: normalise each channel by its mean and variance (``batch_norm_param``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional

from ssd_data.engines.torch.layer import Elementwise, along
from ssd_data.proto import caffe_pb2


class BatchNorm(Elementwise):
    """Parameters: sums of means and of variances (channels), and the factor they are scaled by.

    Without ``use_global_stats`` a batch is normalised by its own biased variance, and the sums
    move: s = fraction · s + value, with the variance times m / (m - 1) of m values a channel.

    Attributes:
        total: adds sums up over all processes that share a batch; by default there is one.
    """

    statistics = True
    total: Callable[[Tensor], Tensor] = staticmethod(lambda sums: sums)
    single = True

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

    def complete(self, param: caffe_pb2.LayerParameter) -> None:
        """The statistics are not learned."""
        for _ in range(len(param.param), 3):
            param.param.add(lr_mult=0.0)

    def outline(self, *bottoms: Tensor) -> Tensor:
        """The bottom's shape, if it has the channels that the statistics are of."""
        if bottoms[0].dim() > 1:
            self.check_along(tuple(self.weights[0].shape), bottoms[0], 1)
        return bottoms[0]

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The bottom's shape."""
        return self.normalize(bottoms[0])

    def normalize(
        self, x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None
    ) -> Tensor:
        """The same, times a weight and plus a bias for each channel."""
        if x.dim() == 1:
            return self.normalize(x[:, None], weight, bias)[:, 0]
        if self.uses_global:
            mean, variance = self.global_statistics()
            return functional.batch_norm(x, mean, variance, weight, bias, False, 0.0, self.eps)
        if weight is None or bias is None:
            weight, bias = (torch.full_like(self.weights[0], value) for value in (1.0, 0.0))
        y, *found = _ByBatch.apply(x, weight, bias, self.eps, self.total)  # type: ignore[no-untyped-call]
        self._move(*found)
        return cast(Tensor, y)

    def global_statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and variance, each channel."""
        mean, variance, factor = self.weights
        scale = torch.where(factor == 0, torch.zeros_like(factor), 1 / factor)
        return mean * scale, variance * scale

    def _move(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        unbiased = variance * (count / (count - 1).clamp(min=1))
        with torch.no_grad():
            one = torch.ones_like(self.weights[2])
            for sums, value in zip(self.weights, (mean, unbiased, one), strict=True):
                sums.mul_(self.fraction).add_(value)


class _ByBatch(torch.autograd.Function):
    """weight · y + bias, with y = (x - mean) / sqrt(variance + eps), and the gradients that the
    original computes from y.

    torch's own function computes them from x: rounded otherwise, and where RMSProp divides by
    gradients that are next to nothing, a training run leaves the original's within 4 iterations.

    Mean, variance and the two sums behind the gradient of x are over all that ``total`` adds up;
    the gradients of weight and bias are this process's part.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        eps: float,
        total: Callable[[Tensor], Tensor],
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        axes = _others(x)
        here = torch.full((1,), x.numel() // x.shape[1], dtype=torch.float32, device=x.device)
        sums = total(torch.cat([x.sum(axes, dtype=torch.float32), here]))
        count = sums[-1]
        mean = sums[:-1] / count
        y = x - along(mean.to(x.dtype), x)
        # Its memory serves twice; dynamo wants it contiguous.
        squares = y * y
        memory = None if torch.compiler.is_compiling() else squares
        variance = total(squares.sum(axes, dtype=torch.float32)) / count
        deviation = (variance + eps).sqrt()
        y.div_(along(deviation, x))
        ctx.save_for_backward(y, weight, deviation, count)
        ctx.mark_non_differentiable(mean, variance, count)
        ctx.total = total
        normal = torch.addcmul(along(bias, x), y, along(weight, x), out=memory)
        return normal, mean, variance, count

    @staticmethod
    def backward(ctx: Any, dy: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        y, weight, deviation, count = ctx.saved_tensors
        axes, scale = _others(y), weight / deviation
        product = dy * y
        sums = torch.stack([t.sum(axes, dtype=torch.float32) for t in (dy, product)])
        shift, slope = -ctx.total(sums) / count * scale
        memory = None if torch.compiler.is_compiling() else product  # dynamo wants it contiguous
        dx = torch.addcmul(along(shift, y), y, along(slope, y), out=memory)
        return dx.addcmul_(dy, along(scale, y)), sums[1], sums[0], None, None


def _others(x: Tensor) -> list[int]:
    """All axes but the channels'."""
    return [axis for axis in range(x.dim()) if axis != 1]
