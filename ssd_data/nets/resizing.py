"""What layers of forks say of sizes: Upsample, Interp, Reorg, ShuffleChannel, and SPP's pyramid.

Whoever computes, writes or measures a net reads their parameters here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ssd_data.nets.geometry import Shape, Size
from ssd_data.nets.graph import Node
from ssd_data.proto import caffe_pb2

MOST_SIDE = 1 << 16
MOST_LEVELS = 16  # of a pyramid: each halves the one before it


# ---- Upsample ----


@dataclass(frozen=True, slots=True)
class Upsampling:
    """What an ``upsample_param`` says.

    Attributes:
        size: (height, width) of the top.
        factor: how often each row and column is repeated; SegNet's, by a mask, needs none.
        scale: what the values are multiplied by.
    """

    size: Size
    factor: Size
    scale: float = 1.0


def upsampling(node: Node, size: Size) -> Upsampling:
    """The enlargement of a map of that size.

    Darknet's converters write ``scale`` for the factor; others, as Darknet itself, ``stride`` for
    the factor and ``scale`` for a number that the values are multiplied by. SegNet's has a second
    bottom, a Pooling's mask, and sizes of its own.

    Raises:
        LayerError: the factor is no whole number above 0, or contradicts another field.
    """
    p = node.param.upsample_param
    masked = len(node.bottoms) > 1
    if not masked and any(map(p.HasField, ("upsample_h", "upsample_w"))):
        raise node.error("upsample_h and upsample_w go with a mask, its second bottom")
    if masked and p.HasField("upsample_h") and p.HasField("upsample_w"):
        return Upsampling(_checked(node, (p.upsample_h, p.upsample_w)), (1, 1))
    factor, scale = _factor(node, 2 if masked else 1)
    height, width = size[0] * factor[0] - p.pad_out_h, size[1] * factor[1] - p.pad_out_w
    if (p.pad_out_h and factor[0] != 2) or (p.pad_out_w and factor[1] != 2):
        raise node.error("pad_out_h and pad_out_w go with a scale of 2")
    if not masked and (p.pad_out_h or p.pad_out_w):
        raise node.error("pad_out_h and pad_out_w go with a mask, its second bottom")
    return Upsampling(_checked(node, (height, width)), factor, scale)


def _factor(node: Node, default: int) -> tuple[Size, float]:
    p = node.param.upsample_param
    strides = any(map(p.HasField, ("stride", "stride_h", "stride_w")))
    if strides:
        one = p.stride or 2
        factor = (p.stride_h or one, p.stride_w or one)
        if not math.isfinite(p.scale):
            raise node.error("scale is no number")
        return factor, p.scale if p.HasField("scale") else 1.0
    if p.HasField("scale_h") or p.HasField("scale_w"):
        if p.HasField("scale"):
            raise node.error("has scale, and scale_h or scale_w", "Keep one")
        factor = (p.scale_h, p.scale_w)
    else:
        scale = p.scale if p.HasField("scale") else float(default)
        if not scale.is_integer():
            raise node.error(f"scale is {scale:g}, no whole number")
        factor = (int(scale), int(scale))
    if min(factor) < 1:
        raise node.error("its scale must be above 0")
    return factor, 1.0


# ---- Interp ----


def interp_size(node: Node, size: Size) -> Size:
    """The (height, width) that an Interp makes of a map; its corners fall on the map's corners.

    Raises:
        LayerError: no size is given, or nothing would be left.
    """
    p = node.param.interp_param
    height, width = (side + p.pad_beg + p.pad_end for side in size)
    if p.pad_beg > 0 or p.pad_end > 0:
        raise node.error("pads by more than 0; Interp can only crop", "See pad_beg and pad_end")
    if min(height, width) < 1:
        raise node.error("crops all of its bottom", "See pad_beg and pad_end")
    shrinks, zooms = p.HasField("shrink_factor"), p.HasField("zoom_factor")
    if min(p.shrink_factor, p.zoom_factor, p.full_zoom_factor) < 1:
        raise node.error("its factors must be above 0")
    if p.HasField("height") and p.HasField("width") and shrinks == zooms:
        return _checked(node, (p.height, p.width))
    if p.HasField("full_zoom_factor") and not (shrinks or zooms):
        return _checked(node, (height * p.full_zoom_factor, width * p.full_zoom_factor))
    if not (shrinks or zooms):
        raise node.error("has neither height and width nor a factor", "Give interp_param a size")
    sides = []
    for side in (height, width):
        shrunk = (side - 1) // p.shrink_factor + 1
        sides.append(shrunk + (shrunk - 1) * (p.zoom_factor - 1))
    return _checked(node, (sides[0], sides[1]))


def interp_window(node: Node, size: Size) -> tuple[slice, slice]:
    """The rows and columns that an Interp reads; it may crop its bottom."""
    p = node.param.interp_param
    return slice(-p.pad_beg, size[0] + p.pad_end), slice(-p.pad_beg, size[1] + p.pad_end)


def _checked(node: Node, size: Size) -> Size:
    if min(size) < 1 or max(size) > MOST_SIDE:
        raise node.error(f"its top would be {size[1]}x{size[0]}")
    return size


# ---- values that move ----


@dataclass(frozen=True, slots=True)
class Moves:
    """A reshape, a new order of the axes, and a reshape, of all but the batch's axis.

    Attributes:
        parts: sizes that the values are first read in, the batch's left out.
        order: of those axes, counted with the batch's.
        shape: the top's, the batch's left out.
    """

    parts: Shape
    order: tuple[int, ...]
    shape: Shape


def shuffle_moves(node: Node, shape: Sequence[int]) -> Moves:
    """ShuffleChannel: the channels, ``group`` rows of them, column by column.

    Raises:
        LayerError: the groups do not divide the channels.
    """
    group, channels = node.param.shuffle_channel_param.group, shape[1]
    if group < 1 or channels % group:
        raise node.error(f"group {group} does not divide {channels} channels")
    rest = math.prod(shape[2:])
    return Moves((group, channels // group, rest), (0, 2, 1, 3), tuple(shape[1:]))


def reorg_moves(node: Node, shape: Sequence[int]) -> Moves:
    """Reorg as Darknet has it, which is not a plain change of places into channels: the values are
    first read as if the map were larger and had fewer channels.

    Raises:
        LayerError: the stride is missing, or does not divide what it must.
    """
    p = node.param.reorg_param
    s = p.stride
    if s < 1:
        raise node.error("has no stride", "Give reorg_param a stride")
    _, channels, height, width = shape
    if channels % (s * s):
        raise node.error(f"stride {s} squared does not divide {channels} channels")
    few = channels // (s * s)
    if p.reverse:
        size = (few, height * s, width * s)
        return Moves((s, s, few, height, width), (0, 3, 4, 1, 5, 2), size)
    if height % s or width % s:
        raise node.error(f"stride {s} does not divide a map of {width}x{height}")
    size = (channels * s * s, height // s, width // s)
    return Moves((few, height, s, width, s), (0, 3, 5, 1, 2, 4), size)


def reorg_steps(node: Node, shape: Sequence[int]) -> list[Moves]:
    """A Reorg in two steps, for who has no order of six axes.

    Raises:
        LayerError: see :func:`reorg_moves`.
    """
    whole, s = reorg_moves(node, shape).shape, node.param.reorg_param.stride
    _, channels, height, width = shape
    few = channels // (s * s)
    rows, places = few * height, few * height * width
    if node.param.reorg_param.reverse:
        first = Moves((s, s, places), (0, 1, 3, 2), (s, places, s))
        return [first, Moves((s, rows, width * s), (0, 2, 1, 3), whole)]
    first = Moves((rows, s, width * s), (0, 2, 1, 3), (s, rows, width * s))
    return [first, Moves((s, places, s), (0, 1, 3, 2), whole)]


# ---- SPP ----


def pyramid(node: Node, size: Size) -> list[Node]:
    """The Poolings that an SPP is: 1x1, 2x2, 4x4 and so on windows over all of the map.

    Raises:
        LayerError: the pyramid has no height, or more levels than any map.
    """
    p = node.param.spp_param
    if not 1 <= p.pyramid_height <= MOST_LEVELS:
        raise node.error(f"pyramid_height is {p.pyramid_height}, not 1 to {MOST_LEVELS}")
    levels = []
    for level in range(p.pyramid_height):
        pool = caffe_pb2.PoolingParameter()
        pool.pool = p.pool  # type: ignore[assignment]  # the same numbers
        for side, name in zip(size, "hw", strict=True):
            kernel = -(-side // 2**level)
            setattr(pool, f"kernel_{name}", kernel)
            setattr(pool, f"stride_{name}", kernel)
            setattr(pool, f"pad_{name}", (kernel * 2**level - side + 1) // 2)
        param = caffe_pb2.LayerParameter(name=node.name, type="Pooling", pooling_param=pool)
        levels.append(Node(param, node.where, node.bottoms[:1], node.tops[:1]))
    return levels
