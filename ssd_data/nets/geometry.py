"""How a layer's window goes over a map: what it says of it, and what size comes out.

Whoever computes, writes or measures a net reads ``convolution_param`` and ``pooling_param`` here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ssd_data.nets.graph import Node

Size: TypeAlias = tuple[int, int]  # height, width


@dataclass(frozen=True, slots=True)
class Window:
    """A window over a map; all of it is (height, width).

    Attributes:
        kernel: places that it holds. stride: from one window to the next.
        pad: around the map, on both sides. dilation: from one place of the kernel to the next.

    >>> window = Window(kernel=(3, 3), stride=(2, 2))
    >>> window.convolved((8, 8)), window.pooled((8, 8))
    ((3, 3), (4, 4))
    """

    kernel: Size
    stride: Size = (1, 1)
    pad: Size = (0, 0)
    dilation: Size = (1, 1)

    @property
    def span(self) -> Size:
        """Places from the window's first row and column to its last, both included."""
        return self._each(lambda i: self.dilation[i] * (self.kernel[i] - 1) + 1)

    def convolved(self, size: Size) -> Size:
        """A map's size after a convolution (``conv_layer.cpp``): rounded down."""
        return self._each(
            lambda i: (size[i] + 2 * self.pad[i] - self.span[i]) // self.stride[i] + 1
        )

    def deconvolved(self, size: Size) -> Size:
        """A map's size after a deconvolution (``deconv_layer.cpp``)."""
        return self._each(lambda i: (size[i] - 1) * self.stride[i] + self.span[i] - 2 * self.pad[i])

    def pooled(self, size: Size) -> Size:
        """A map's size after pooling (``pooling_layer.cpp``): rounded up, less a window that would
        start beyond the padding."""

        def side(i: int) -> int:
            count = math.ceil((size[i] + 2 * self.pad[i] - self.kernel[i]) / self.stride[i]) + 1
            beyond = self.pad[i] and (count - 1) * self.stride[i] >= size[i] + self.pad[i]
            return count - 1 if beyond else count

        return self._each(side)

    def far_pad(self, size: Size) -> Size:
        """Padding behind a map with which the last of the pooling's windows is whole; negative
        where windows leave some of the map out."""
        pooled = self.pooled(size)
        return self._each(
            lambda i: (pooled[i] - 1) * self.stride[i] + self.kernel[i] - size[i] - self.pad[i]
        )

    def extents(self, size: Size) -> tuple[list[int], list[int]]:
        """Rows and columns of each of the pooling's windows, cut at the padded map's far end."""

        def side(i: int, count: int) -> list[int]:
            starts = [number * self.stride[i] - self.pad[i] for number in range(count)]
            return [min(at + self.kernel[i], size[i] + self.pad[i]) - at for at in starts]

        height, width = self.pooled(size)
        return side(0, height), side(1, width)

    @staticmethod
    def _each(of: Callable[[int], int]) -> Size:
        return of(0), of(1)


def convolution_window(node: Node) -> Window:
    """The window of a Convolution, DepthwiseConvolution or Deconvolution.

    Raises:
        LayerError: a number is missing, given twice, or 0.
    """
    p = node.param.convolution_param
    if p.axis != 1:
        raise node.error("only axis 1 can hold the channels")
    window = Window(
        kernel=_pair(node, "kernel", p.kernel_size, (p.kernel_h, p.kernel_w), 0),
        pad=_pair(node, "pad", p.pad, (p.pad_h, p.pad_w), 0),
        stride=_pair(node, "stride", p.stride, (p.stride_h, p.stride_w), 1),
        dilation=_pair(node, "dilation", p.dilation, (0, 0), 1),
    )
    if min(*window.kernel, *window.stride, *window.dilation) < 1:
        raise node.error("has a kernel, stride or dilation of 0", "Set kernel_size")
    return window


def _pair(node: Node, name: str, given: Sequence[int], sides: Size, default: int) -> Size:
    """(height, width) of a repeated field or its _h and _w."""
    if any(sides):
        if given:
            raise node.error(f"has {name} both as one number and as {name}_h and {name}_w")
        return sides
    if len(given) > 2:
        raise node.error(f"has {len(given)} numbers for {name}; 2 at most")
    return (given[0], given[-1]) if given else (default, default)


def convolution_group(node: Node, channels: int) -> tuple[int, int]:
    """How many outputs a convolution has, and into how many groups it parts them and ``channels``.

    Raises:
        LayerError: it has no outputs, or a group would not be whole.
    """
    p = node.param.convolution_param
    group, outputs = max(p.group, 1), p.num_output
    if not outputs:
        raise node.error("has no num_output")
    if channels % group or outputs % group:
        raise node.error(f"group {group} does not divide {channels} channels and {outputs} outputs")
    return outputs, group


def pooling_window(node: Node, size: Size) -> Window:
    """The window of a Pooling over a map of that size: all of it where the pooling is global.

    Raises:
        LayerError: a number is missing or 0, or more is padded than a window holds.
    """
    p = node.param.pooling_param
    one = p.HasField("kernel_size")
    window = Window(
        kernel=(p.kernel_size, p.kernel_size) if one else (p.kernel_h, p.kernel_w),
        pad=(p.pad_h, p.pad_w) if p.HasField("pad_h") else (p.pad, p.pad),
        stride=(p.stride_h, p.stride_w) if p.HasField("stride_h") else (p.stride, p.stride),
    )
    if p.global_pooling:
        if one or p.HasField("kernel_h") or max(window.pad) or max(window.stride) > 1:
            raise node.error("global pooling has no kernel, pad or stride")
        return Window(size)
    if min(*window.kernel, *window.stride) < 1:
        raise node.error("has a kernel or stride of 0", "Set kernel_size")
    if window.pad[0] >= window.kernel[0] or window.pad[1] >= window.kernel[1]:
        raise node.error("pads by the whole kernel or more")
    return window
