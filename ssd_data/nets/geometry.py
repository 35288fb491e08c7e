"""What layers say of shapes: their windows over maps, their axes, and what size comes out.

Whoever computes, writes or measures a net reads ``convolution_param``, ``pooling_param`` and the
parameters of the layers that move values here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from ssd_data.nets.graph import MOST_AXES, Node

Size: TypeAlias = tuple[int, int]  # height, width
Shape: TypeAlias = tuple[int, ...]


def shape_text(shape: Sequence[int]) -> str:
    """A shape as people write it.

    >>> shape_text((32, 3, 3)), shape_text(())
    ('32x3x3', 'scalar')
    """
    return "x".join(map(str, shape)) or "scalar"


# ---- windows ----


@dataclass(frozen=True, slots=True)
class Window:
    """A window over a map; all of it is (height, width).

    Attributes:
        kernel: places that it holds. stride: from one window to the next.
        pad: around the map, on both sides. dilation: from one place of the kernel to the next.
        rounds_up: whether pooling has a last window that is not whole.

    >>> window = Window(kernel=(3, 3), stride=(2, 2))
    >>> window.convolved((8, 8)), window.pooled((8, 8))
    ((3, 3), (4, 4))
    """

    kernel: Size
    stride: Size = (1, 1)
    pad: Size = (0, 0)
    dilation: Size = (1, 1)
    rounds_up: bool = True

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
        """A map's size after pooling (``pooling_layer.cpp``): rounded up (or down), less a window
        that would start beyond the padding."""
        rounded = math.ceil if self.rounds_up else math.floor

        def side(i: int) -> int:
            count = rounded((size[i] + 2 * self.pad[i] - self.kernel[i]) / self.stride[i]) + 1
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
        return self._extents(size, self.pad)

    def inner_extents(self, size: Size) -> tuple[list[int], list[int]]:
        """The same without what is padding."""
        return self._extents(size, (0, 0))

    def _extents(self, size: Size, margin: Size) -> tuple[list[int], list[int]]:
        def side(i: int, count: int) -> list[int]:
            starts = [number * self.stride[i] - self.pad[i] for number in range(count)]
            return [
                min(at + self.kernel[i], size[i] + margin[i]) - max(at, -margin[i]) for at in starts
            ]

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
        LayerError: a number is missing, given twice, or 0, or more is padded than a window holds.
    """
    p = node.param.pooling_param
    for name, side in (("kernel_size", "kernel"), ("pad", "pad"), ("stride", "stride")):
        sides = [side + end for end in ("_h", "_w") if p.HasField(side + end)]
        if len(sides) == 1 or (sides and p.HasField(name)):
            given = [name] * p.HasField(name) + sides
            hint = f"Give it {name}, or both {side}_h and {side}_w"
            raise node.error(f"has {' and '.join(given)}, which Caffe refuses", hint)
    one = p.HasField("kernel_size")
    window = Window(
        kernel=(p.kernel_size, p.kernel_size) if one else (p.kernel_h, p.kernel_w),
        pad=(p.pad_h, p.pad_w) if p.HasField("pad_h") else (p.pad, p.pad),
        stride=(p.stride_h, p.stride_w) if p.HasField("stride_h") else (p.stride, p.stride),
        rounds_up=p.ceil_mode,
    )
    if p.global_pooling:
        if one or p.HasField("kernel_h") or max(window.pad) or max(window.stride) > 1:
            hint = "Take these out: it is over the whole map"
            raise node.error("global pooling has no kernel, pad or stride", hint)
        return Window(size)
    if min(*window.kernel, *window.stride) < 1:
        raise node.error("has a kernel or stride of 0", "Set kernel_size")
    if window.pad[0] >= window.kernel[0] or window.pad[1] >= window.kernel[1]:
        raise node.error("pads by the whole kernel or more")
    return window


def pooled_areas(node: Node, window: Window, size: Size) -> tuple[list[int], list[int]]:
    """Rows and columns that a mean of each of a Pooling's windows is over: with padding, or
    without it where ``count_include_pad`` is false. None lies in the padding alone."""
    whole = node.param.pooling_param.count_include_pad
    return window.extents(size) if whole else window.inner_extents(size)


# ---- axes ----


def axis_of(node: Node, number: int, axes: int) -> int:
    """An axis counted from the front; Caffe's may be negative.

    Raises:
        LayerError: the bottom has no such axis.
    """
    if not -axes <= number < axes:
        raise node.error(f"has axis {number}, but its bottom has {axes} axes")
    return number % axes


def concat_axis(node: Node, axes: int) -> int:
    """The axis along which a Concat joins (or the old ``concat_dim``)."""
    p = node.param.concat_param
    return axis_of(node, p.concat_dim if p.HasField("concat_dim") else p.axis, axes)


def slice_axis(node: Node, axes: int) -> int:
    """The axis along which a Slice cuts (or the old ``slice_dim``)."""
    p = node.param.slice_param
    return axis_of(node, p.slice_dim if p.HasField("slice_dim") else p.axis, axes)


def slice_parts(node: Node, size: int) -> list[tuple[int, int]]:
    """Start and end of each of a Slice's tops: at ``slice_point``, or equal parts.

    Args:
        size: of the axis that is cut.

    Raises:
        LayerError: the parts do not fill the axis.
    """
    points, count = list(node.param.slice_param.slice_point), len(node.tops)
    if not points:
        if not count or size % count:
            raise node.error(f"cannot cut {size} into {count} equal parts")
        points = [size // count * i for i in range(1, count)]
    parts = list(pairwise([0, *points, size]))
    if len(points) != count - 1 or any(end <= start for start, end in parts):
        raise node.error(f"has slice points {points} for {count} tops and a size of {size}")
    return parts


def crop_parts(node: Node, shape: Sequence[int], like: Sequence[int]) -> list[tuple[int, int, int]]:
    """(axis, start, end) of what a Crop leaves: from ``axis`` on, each axis starts at its
    ``offset`` (one for all, or one each) and is as long as the second bottom's.

    Raises:
        LayerError: the first bottom is too short, or the offsets are too many.
    """
    p, axes = node.param.crop_param, len(shape)
    first, offsets = axis_of(node, p.axis, axes), list(p.offset) or [0]
    if len(offsets) not in (1, axes - first):
        raise node.error(f"has {len(offsets)} offsets for {axes - first} axes")
    parts = []
    for axis in range(first, axes):
        start = offsets[axis - first] if len(offsets) > 1 else offsets[0]
        if start + like[axis] > shape[axis]:
            raise node.error(f"reaches beyond the end of axis {axis}")
        parts.append((axis, start, start + like[axis]))
    return parts


def permute_order(node: Node, axes: int) -> list[int]:
    """The order in which a Permute leaves the axes; those not named follow in their own.

    Raises:
        LayerError: an axis is not there, or named twice.
    """
    given = list(node.param.permute_param.order)
    order = given + [axis for axis in range(axes) if axis not in given]
    if sorted(order) != list(range(axes)):
        raise node.error(f"has order {given} for a bottom of {axes} axes")
    return order


def reshape_target(node: Node, shape: Sequence[int]) -> list[int]:
    """What a Reshape makes of a shape: from ``axis`` on, ``num_axes`` axes get the sizes of
    ``shape``, where 0 copies; a -1, the rest, stays.

    Raises:
        LayerError: it has no such axes.
    """
    p, axes = node.param.reshape_param, len(shape)
    # Negative counts from behind the last axis: -1 appends.
    start = p.axis if p.axis >= 0 else axes + p.axis + 1
    end = axes if p.num_axes == -1 else start + p.num_axes
    if not 0 <= start <= end <= axes:
        raise node.error(f"has axis {p.axis} and {p.num_axes} axes for a bottom of {axes}")
    if (most := start + len(p.shape.dim) + axes - end) > MOST_AXES:
        raise node.error(f"makes {most} axes; Caffe has {MOST_AXES} at most")
    middle = [shape[start + i] if size == 0 else size for i, size in enumerate(p.shape.dim)]
    return [*shape[:start], *middle, *shape[end:]]
