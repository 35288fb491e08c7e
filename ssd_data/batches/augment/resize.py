"""Resize: WARP, FIT_SMALL_SIZE, FIT_LARGE_SIZE_AND_PAD (``resize_param``).

As in the original it always happens, whatever ``prob`` says.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from ssd_data.batches.augment.rows import Region, Rows
from ssd_data.core.errors import InputError
from ssd_data.core.structures import Pixels
from ssd_data.proto import caffe_pb2

_P = caffe_pb2.ResizeParameter
WARP, FIT_SMALL, FIT_LARGE_AND_PAD = _P.WARP, _P.FIT_SMALL_SIZE, _P.FIT_LARGE_SIZE_AND_PAD
INTERPOLATIONS = {
    _P.LINEAR: cv2.INTER_LINEAR,
    _P.AREA: cv2.INTER_AREA,
    _P.NEAREST: cv2.INTER_NEAREST,
    _P.CUBIC: cv2.INTER_CUBIC,
    _P.LANCZOS4: cv2.INTER_LANCZOS4,
}
BORDERS = {
    _P.CONSTANT: cv2.BORDER_CONSTANT,
    _P.MIRRORED: cv2.BORDER_REFLECT_101,
    _P.REPEAT_NEAREST: cv2.BORDER_REPLICATE,
}
MOST_SIDE = 1 << 14


def check(param: caffe_pb2.ResizeParameter, where: str) -> None:
    """Refuse a size that is none.

    Raises:
        InputError: the width or height is not in 1 … 16384.
    """
    if not (0 < param.width <= MOST_SIDE and 0 < param.height <= MOST_SIDE):
        raise InputError(
            f"resize_param has width {param.width} and height {param.height}",
            where=where,
            hint=f"Both must be in 1 … {MOST_SIDE}",
        )


def draw(param: caffe_pb2.ResizeParameter, generator: np.random.Generator) -> int:
    """OpenCV's number of one of the interpolations that are listed; LINEAR where none is."""
    modes = param.interp_mode
    return INTERPOLATIONS[modes[generator.integers(len(modes))]] if modes else cv2.INTER_LINEAR


def new_size(param: caffe_pb2.ResizeParameter, width: int, height: int) -> tuple[int, int]:
    """Width and height that a picture is scaled to, before any padding."""
    wide, high = param.width, param.height
    aspect = np.float32(width) / np.float32(height)
    if param.resize_mode == WARP:
        return wide, high
    flat = aspect > np.float32(wide) / np.float32(high)
    flatter_as_original = aspect < np.float32(wide) / np.float32(high)
    if flat if param.resize_mode == FIT_LARGE_AND_PAD else flatter_as_original:
        high = int(np.float32(wide) / aspect)
    else:
        wide = int(aspect * np.float32(high))
    return max(wide, 1), max(high, 1)


def apply(
    picture: Pixels,
    param: caffe_pb2.ResizeParameter,
    interpolation: int,
    *,
    exact: bool = True,
) -> Pixels:
    """The picture in its new size, uint8.

    Args:
        picture: uint8 (height, width, 3) or (height, width).
        interpolation: OpenCV's number, from :func:`draw`.
        exact: False lets a value differ by 1 where that is faster: LANCZOS4 takes OpenCV more than
            twice as long in integers as in floats.

    Raises:
        InputError: the number of ``pad_value`` fits no picture of as many channels, or one side
            would be longer than 16384 pixels.
    """
    size = new_size(param, picture.shape[1], picture.shape[0])
    if max(size) > MOST_SIDE:
        raise InputError(f"resized to {size[0]}x{size[1]} it has over {MOST_SIDE} pixels a side")
    resized = scale(picture, size, interpolation, exact=exact)
    if param.resize_mode == FIT_LARGE_AND_PAD:
        padding = list(param.pad_value) or [0.0]
        channels = 1 if picture.ndim == 2 else picture.shape[2]
        if len(padding) not in (1, channels):
            raise InputError(f"{len(padding)} pad_value for {channels} channels")
        across, down = param.width - size[0], param.height - size[1]
        left, top = across // 2, down // 2
        edges = (top, down - top, left, across - left)
        padding *= channels // len(padding)
        padded = cv2.copyMakeBorder(resized, *edges, BORDERS[param.pad_mode], value=padding)
        resized = np.asarray(padded, np.uint8)
    return resized


def scale(
    picture: Pixels, size: tuple[int, int], interpolation: int, *, exact: bool = True
) -> Pixels:
    """The picture in a size, its width and height in pixels; else as :func:`apply`."""
    if interpolation == cv2.INTER_LANCZOS4 and not exact:
        values = cv2.resize(picture.astype(np.float32), size, interpolation=interpolation)
        # Rounds, and cuts to 0 … 255.
        resized = cv2.add(values, 0, dtype=cv2.CV_8U)  # type: ignore[call-overload]
    else:
        resized = cv2.resize(picture, size, interpolation=interpolation)
    return np.asarray(resized, np.uint8)


def move(rows: Rows, param: caffe_pb2.ResizeParameter, width: int, height: int) -> Rows:
    """The rows as fractions of the resized picture (``UpdateBBoxByResizePolicy``).

    Args:
        rows: float32 (N, 8).
        width, height: of the picture before, in pixels.
    """
    wide, high, across, down = extent(param, width, height)
    moved = rows.copy()
    moved[:, 3], moved[:, 5] = _axis(rows[:, 3], rows[:, 5], np.float32(width), wide, across)
    moved[:, 4], moved[:, 6] = _axis(rows[:, 4], rows[:, 6], np.float32(height), high, down)
    return moved


_Column = npt.NDArray[np.float32]
_Single = np.float32


def extent(
    param: caffe_pb2.ResizeParameter, width: int, height: int
) -> tuple[_Single, _Single, _Single, _Single]:
    """The new width and height, not cut to whole pixels, and the padding left and above."""
    wide, high, none = np.float32(param.width), np.float32(param.height), np.float32(0)
    aspect, wanted = np.float32(width) / np.float32(height), wide / high
    if param.resize_mode == FIT_LARGE_AND_PAD:
        if aspect > wanted:
            return wide, high, none, (high - wide / aspect) / np.float32(2)
        return wide, high, (wide - aspect * high) / np.float32(2), none
    if param.resize_mode == FIT_SMALL:
        if aspect < wanted:
            return wide, wide / aspect, none, none
        return aspect * high, high, none, none
    return wide, high, none, none


def _axis(
    low: _Column, high: _Column, old: _Single, new: _Single, padding: _Single
) -> tuple[_Column, _Column]:
    inner = new - np.float32(2) * padding
    with np.errstate(over="ignore"):  # of boxes that reach to the end of float32
        first = padding + np.maximum(low * old * inner / old, np.float32(0))
        last = padding + np.minimum(high * old * inner / old, new)
        return first / new, last / new


def extrapolate(
    rows: Rows, param: caffe_pb2.ResizeParameter, size: tuple[int, int], region: Region
) -> Rows:
    """FIT_SMALL_SIZE with ``width_scale``, ``height_scale``: fractions of it (``ExtrapolateBBox``).

    Args:
        rows: float32 (N, 8), fractions of the crop ``region`` of the resized picture.
        size: width and height in pixels before resizing.

    Raises:
        InputError: the crop is smaller than that size.
    """
    if param.resize_mode != FIT_SMALL or not (param.width_scale and param.height_scale):
        return rows
    wide, high, _, _ = extent(param, *size)
    crop = np.array((wide, high), np.float32) * (region[2:] - region[:2])
    scale = np.array((param.width_scale, param.height_scale), np.float32)
    if (crop < scale).any():
        raise InputError("resize_param: the picture is smaller than width_scale and height_scale")
    moved = rows.copy()
    for corner in (slice(3, 5), slice(5, 7)):
        moved[:, corner] = rows[:, corner] * crop / scale
    return moved
