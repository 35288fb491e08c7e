"""Pooling: MAX and AVE, with sizes rounded up as Caffe does, or down (``pooling_param``)."""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional

from ssd_data.engines.torch.layer import Layer, Tops, sized
from ssd_data.nets.geometry import Size, pooled_areas, pooling_window
from ssd_data.proto import caffe_pb2

MOST_GROWTH, MOST_PADDING = 16, 1 << 22  # by padding: times the picture's values, and more
_P = caffe_pb2.PoolingParameter


class Pooling(Layer):
    """The size is ceil((x + 2 pad - kernel) / stride) + 1, less one window that would start
    beyond the padded picture, or with ``ceil_mode: false`` rounded down. An average divides by the
    window's area within the padding, or with ``count_include_pad: false`` within the picture. A
    second top of MAX is its mask: which place of the map, row by row, each value is of."""

    def setup(self, *bottoms: Tensor) -> None:
        """Read the geometry."""
        p = self.param.pooling_param
        self.require_axes(bottoms[0], 4)
        if p.pool == _P.STOCHASTIC:
            raise self.error("stochastic pooling is not supported")
        self.window = pooling_window(self.node, _size(bottoms[0]))

    @property
    def masks(self) -> bool:
        """Whether it gives its mask."""
        return len(self.node.tops) > 1 and self.param.pooling_param.pool == _P.MAX

    def outline(self, *bottoms: Tensor) -> Tops:
        """(batch, channels, height, width)."""
        x = bottoms[0]
        whole = self.param.pooling_param.global_pooling
        top = sized(*x.shape[:2], *((1, 1) if whole else self._pooled(x)))
        return (top, top) if self.masks else top

    def forward(self, *bottoms: Tensor) -> Tops:
        """(batch, channels, height, width)."""
        x = bottoms[0]
        is_max = self.param.pooling_param.pool == _P.MAX
        if self.masks:
            return self._masked(x)
        if self.param.pooling_param.global_pooling:
            return functional.max_pool2d(x, _size(x)) if is_max else x.mean((2, 3), keepdim=True)
        self._pooled(x)
        # Padding on the far side, so that windows that reach beyond are whole ones.
        (top, left), (bottom, right) = self.window.pad, self.window.far_pad(_size(x))
        value = -math.inf if is_max else 0.0
        padded = functional.pad(x, (left, right, top, bottom), value=value)
        if is_max:
            return functional.max_pool2d(padded, self.window.kernel, self.window.stride)
        kernel, stride = self.window.kernel, self.window.stride
        sums = functional.avg_pool2d(padded, kernel, stride, divisor_override=1)
        rows, columns = (
            x.new_tensor(sides) for sides in pooled_areas(self.node, self.window, _size(x))
        )
        return sums / (rows[:, None] * columns)

    def _masked(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The largest values, and the places that they are of."""
        self._pooled(x)
        (top, left), (bottom, right) = self.window.pad, self.window.far_pad(_size(x))
        padded = functional.pad(x, (left, right, top, bottom), value=-math.inf)
        kernel, stride = self.window.kernel, self.window.stride
        found, place = functional.max_pool2d(padded, kernel, stride, return_indices=True)
        row, column = place // padded.shape[3] - top, place % padded.shape[3] - left
        return found, (row * x.shape[3] + column).to(x.dtype)

    def _pooled(self, x: Tensor) -> Size:
        size = self.window.pooled(_size(x))
        if min(size) < 1:
            raise ValueError("the kernel is larger than the padded picture")
        near, far = self.window.pad, self.window.far_pad(_size(x))
        padded = [n + a + max(b, 0) for n, a, b in zip(_size(x), near, far, strict=True)]
        if math.prod([*x.shape[:2], *padded]) > MOST_PADDING + MOST_GROWTH * x.numel():
            raise ValueError("its padding is far larger than the picture")
        return size


def _size(x: Tensor) -> Size:
    return x.shape[2], x.shape[3]
