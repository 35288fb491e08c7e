"""Pooling: MAX and AVE, with sizes rounded up as Caffe does (``pooling_param``)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from ssd_data.engines.torch.layer import Layer, sized
from ssd_data.nets.sizes import pooled
from ssd_data.proto import caffe_pb2

_P = caffe_pb2.PoolingParameter


class Pooling(Layer):
    """The size is ceil((x + 2 pad - kernel) / stride) + 1, less one window that would start
    beyond the padded picture. An average divides by the window's area within the padding."""

    def setup(self, *bottoms: Tensor) -> None:
        """Read the geometry."""
        p = self.param.pooling_param
        if bottoms[0].dim() != 4:
            raise self.error(f"takes a bottom of 4 axes, not of {bottoms[0].dim()}")
        if p.pool == _P.STOCHASTIC:
            raise self.error("stochastic pooling is not supported")
        one = p.HasField("kernel_size")
        self.kernel = (p.kernel_size, p.kernel_size) if one else (p.kernel_h, p.kernel_w)
        self.pad = (p.pad_h, p.pad_w) if p.HasField("pad_h") else (p.pad, p.pad)
        has_pair = p.HasField("stride_h")
        self.stride = (p.stride_h, p.stride_w) if has_pair else (p.stride, p.stride)
        if p.global_pooling:
            if one or p.HasField("kernel_h") or max(self.pad) or max(self.stride) > 1:
                raise self.error("global pooling has no kernel, pad or stride")
        elif min(self.kernel) < 1 or min(self.stride) < 1:
            raise self.error("has a kernel or stride of 0", "Set kernel_size")
        elif any(a >= b for a, b in zip(self.pad, self.kernel, strict=True)):
            raise self.error("pads by the whole kernel or more")

    def outline(self, *bottoms: Tensor) -> Tensor:
        """(batch, channels, height, width)."""
        x = bottoms[0]
        if self.param.pooling_param.global_pooling:
            return sized(*x.shape[:2], 1, 1)
        return sized(*x.shape[:2], *self._sizes(x))

    def forward(self, *bottoms: Tensor) -> Tensor:
        """(batch, channels, height, width)."""
        x = bottoms[0]
        is_max = self.param.pooling_param.pool == _P.MAX
        if self.param.pooling_param.global_pooling:
            whole = (x.shape[2], x.shape[3])
            return functional.max_pool2d(x, whole) if is_max else x.mean((2, 3), keepdim=True)
        sizes = self._sizes(x)
        # Padding on the far side, so that windows that reach beyond are whole ones.
        far = [self._far(x.shape[axis + 2], sizes[axis], axis) for axis in (0, 1)]
        (top, left), (bottom, right) = self.pad, far
        value = -math.inf if is_max else 0.0
        padded = functional.pad(x, (left, right, top, bottom), value=value)
        if is_max:
            return functional.max_pool2d(padded, self.kernel, self.stride)
        sums = functional.avg_pool2d(padded, self.kernel, self.stride, divisor_override=1)
        return sums / self._areas(x, sizes)

    def _sizes(self, x: Tensor) -> list[int]:
        sizes = [self._size(x.shape[axis + 2], axis) for axis in (0, 1)]
        if min(sizes) < 1:
            raise ValueError("the kernel is larger than the padded picture")
        return sizes

    def _size(self, length: int, axis: int) -> int:
        return pooled(length, self.kernel[axis], self.stride[axis], self.pad[axis])

    def _far(self, length: int, size: int, axis: int) -> int:
        return (size - 1) * self.stride[axis] + self.kernel[axis] - length - self.pad[axis]

    def _areas(self, x: Tensor, sizes: list[int]) -> Tensor:
        """Each window's area, cut at the padded picture's far end as Caffe cuts it."""
        sides = []
        for axis, size in enumerate(sizes):
            start = torch.arange(size, device=x.device) * self.stride[axis] - self.pad[axis]
            end = x.shape[axis + 2] + self.pad[axis]
            sides.append(torch.clamp(start + self.kernel[axis], max=end) - start)
        return (sides[0][:, None] * sides[1][None, :]).to(x.dtype)
