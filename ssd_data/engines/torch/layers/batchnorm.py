"""BatchNorm: normalise each channel by its mean and variance (``batch_norm_param``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional

from ssd_data.engines.torch.layer import Stretched, Tops, along
from ssd_data.proto import caffe_pb2

# How many numbers a piece of a large batch has at most (2 MiB).
_PIECE = 1 << 19


def _alone(sums: Tensor) -> Tensor:
    return sums


class BatchNorm(Stretched):
    """Parameters: sums of means and of variances (channels), and the factor they are scaled by.

    Without ``use_global_stats`` a batch is normalised by its own biased variance, and the sums
    move: s = fraction · s + value, with the variance times m / (m - 1) of m values a channel.

    Attributes:
        all_reduce: adds sums up over all processes that share a batch; by default there is one.
    """

    statistics = True
    all_reduce: Callable[[Tensor], Tensor] = staticmethod(_alone)
    single = True

    def setup(self, *bottoms: Tensor) -> None:
        """Make the three arrays of statistics."""
        p = self.param.batch_norm_param
        self.require_pictures(bottoms[0])
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

    def outline(self, *bottoms: Tensor) -> Tops:
        """The bottom's shape, if it has the channels that the statistics are of."""
        return super().outline(*bottoms) if bottoms[0].dim() > 1 else bottoms[0]

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
        y, *found = _ByBatch.apply(x, weight, bias, self.eps, self.all_reduce)  # type: ignore[no-untyped-call]
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
            torch._foreach_mul_(self.weights, self.fraction)
            torch._foreach_add_(self.weights, [mean, unbiased, torch.ones_like(self.weights[2])])


class _ByBatch(torch.autograd.Function):
    """weight · y + bias, with y = (x - mean) / sqrt(variance + eps), and the gradients that the
    original computes from y.

    torch's own layer computes them from x: rounded otherwise, and where RMSProp divides by
    gradients that are next to nothing, a training run leaves the original's within 4 iterations.
    On the CPU a large batch is worked on in pieces that stay in the processor's cache.

    Mean, variance and the two sums behind the gradient of x are over all that ``all_reduce`` adds
    up; the gradients of weight and bias are this process's part.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        eps: float,
        all_reduce: Callable[[Tensor], Tensor],
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        count, mean, squares = _statistics(x, all_reduce)
        variance = all_reduce(squares) / count
        deviation = (variance + eps).sqrt()
        y, normal = _normal(x, mean, deviation, weight, bias)
        ctx.save_for_backward(y, weight, deviation, count)
        ctx.mark_non_differentiable(mean, variance, count)
        ctx.all_reduce = all_reduce
        return normal, mean, variance, count

    @staticmethod
    def backward(ctx: Any, dy: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        y, weight, deviation, count = ctx.saved_tensors
        if ctx.all_reduce is _alone and not torch.compiler.is_compiling():
            return *_gradients(dy, y, weight / deviation), None, None
        axes, scale = _others(y), weight / deviation
        sums = torch.stack([t.sum(axes, dtype=torch.float32) for t in (dy, dy * y)])
        shift, slope = -ctx.all_reduce(sums) / count * scale
        dx = along(shift, y) + y * along(slope, y) + dy * along(scale, y)
        return dx, sums[1], sums[0], None, None


def _statistics(x: Tensor, all_reduce: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Values a channel and their mean, over all processes, and the squares of x about it."""
    if x.device.type != "cpu" and all_reduce is _alone:  # on a GPU many small steps are slow
        variance, mean = torch.var_mean(x, _others(x), correction=0)
        return torch.tensor(_values(x)), mean, variance * _values(x)
    pieces = [x[at] for at in _cuts(x)]
    counts = [[_values(piece)] for piece in pieces]
    here = torch.tensor(counts, dtype=torch.float32, device=x.device)
    moments = _moments if len(pieces) == 1 else _moments_at_once
    sums, squares = (torch.stack(found) for found in zip(*map(moments, pieces), strict=True))
    totals = all_reduce(torch.cat([sums.sum(0), here.sum(0)]))
    mean = totals[:-1] / totals[-1]
    return totals[-1], mean, (squares + here * (sums / here - mean) ** 2).sum(0)


def _moments(piece: Tensor) -> tuple[Tensor, Tensor]:
    """Each channel's sum, and its squares about its mean."""
    axes = _others(piece)
    sums = piece.sum(axes, dtype=torch.float32)
    mean = sums / _values(piece)
    centred = piece - along(mean.to(piece.dtype), piece)
    return sums, (centred * centred).sum(axes, dtype=torch.float32)


def _moments_at_once(piece: Tensor) -> tuple[Tensor, Tensor]:
    """The same many times faster, rounded otherwise: exact to single precision in a piece only."""
    count = _values(piece)
    mean, variance, *_ = torch.batch_norm_update_stats(piece, None, None, 0.0)
    return mean * count, variance * count


def _values(x: Tensor) -> float:
    """How many a channel has."""
    return x.numel() / x.shape[1]


def _normal(
    x: Tensor, mean: Tensor, deviation: Tensor, weight: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor]:
    """y = (x - mean) / deviation, and weight · y + bias."""
    mean, deviation, weight, bias = (along(v, x) for v in (mean, deviation, weight, bias))
    if torch.compiler.is_compiling():
        y = (x - mean) / deviation
        return y, torch.addcmul(bias, y, weight)
    y, normal = torch.empty_like(x), torch.empty_like(x)
    for at in _cuts(x):
        piece = torch.sub(x[at], mean, out=y[at]).div_(deviation)
        torch.addcmul(bias, piece, weight, out=normal[at])
    return y, normal


def _gradients(dy: Tensor, y: Tensor, scale: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Those of x, weight and bias: torch's own function, for values that are already normal."""
    zeros, ones = torch.zeros_like(scale), torch.ones_like(scale)
    return torch.ops.aten.native_batch_norm_backward(  # type: ignore[no-any-return]
        dy, y, scale, None, None, zeros, ones, True, 0.0, [True, True, True]
    )


def _is_large(x: Tensor) -> bool:
    on_cpu = x.device.type == "cpu" and not torch.compiler.is_compiling()
    return on_cpu and x.dim() == 4 and x.numel() > _PIECE


def _cuts(x: Tensor) -> list[tuple[slice, ...]]:
    """Where a large batch is cut: between pictures, and if these are large between their rows."""
    if not _is_large(x):
        return [(slice(None),)]
    number, channels, height, width = x.shape
    pictures = max(1, _PIECE // (channels * height * width))
    rows = max(1, _PIECE // (channels * width))
    return [
        (slice(i, i + pictures), slice(None), slice(j, j + rows))
        for i in range(0, number, pictures)
        for j in range(0, height, rows)
    ]


def _others(x: Tensor) -> list[int]:
    """All axes but the channels'."""
    return [axis for axis in range(x.dim()) if axis != 1]
