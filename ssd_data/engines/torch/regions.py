"""Regions of a picture, and the parts of a map that poolings over them read.

In single precision, operation by operation as the forks' code has it: where a part ends is a matter
of rounding.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from torch import Tensor

from ssd_data.engines.torch.layer import Layer
from ssd_data.nets.geometry import Size

Bins: TypeAlias = tuple[list[tuple[int, int]], list[tuple[int, int]]]  # starts, ends: down, across
_F = np.float32


def require_rois(layer: Layer, rois: Tensor) -> None:
    """Five numbers a region.

    Raises:
        LayerError: there are others.
    """
    if rois.dim() < 2 or rois.shape[1:].numel() != 5:
        what = "x".join(map(str, rois.shape))
        raise layer.error(f"its second bottom is {what}, not five numbers a region")


def picture_of(layer: Layer, roi: npt.NDArray[np.float32], pictures: int) -> int:
    """Which picture a region lies in.

    Raises:
        LayerError: there is no such picture, or a number of the region is none.
    """
    if not np.isfinite(roi).all() or np.abs(roi).max() > 1 << 24:
        raise layer.error("reads a region whose numbers are none, or far outside any picture")
    if not 0 <= int(roi[0]) < pictures:
        raise layer.error(f"reads a region of picture {int(roi[0])}, of {pictures}")
    return int(roi[0])


def pooling_bins(roi: npt.NDArray[np.float32], scale: float, pooled: Size, size: Size) -> Bins:
    """Fast R-CNN's: the region's corners rounded to places, and cut into ``pooled`` parts.

    Args:
        roi: picture, xmin, ymin, xmax, ymax. scale: of its pixels to the map's.
        pooled: parts down and across. size: the map's (height, width).
    """
    xmin, ymin, xmax, ymax = (_rounded(v * _F(scale)) for v in roi[1:])
    rows = _parts(ymin, max(ymax - ymin + 1, 1), pooled[0], size[0])
    return rows, _parts(xmin, max(xmax - xmin + 1, 1), pooled[1], size[1])


def _parts(start: int, length: int, count: int, limit: int) -> list[tuple[int, int]]:
    each = _F(length) / _F(count)
    ends = []
    for i in range(count):
        low, high = int(np.floor(_F(i) * each)), int(np.ceil(_F(i + 1) * each))
        ends.append((min(max(low + start, 0), limit), min(max(high + start, 0), limit)))
    return ends


def averaging_bins(roi: npt.NDArray[np.float32], scale: float, count: int, size: Size) -> Bins:
    """R-FCN's: the region's corners rounded to pixels, then scaled; parts may overlap by a place.

    Args:
        roi, scale, size: see :func:`pooling_bins`. count: parts down, and across.
    """
    low = [_F(_rounded(v)) * _F(scale) for v in roi[1:3]]
    high = [_F(_rounded(v) + 1) * _F(scale) for v in roi[3:]]
    rows, columns = (
        _overlapping(low[i], max(high[i] - low[i], _F(0.1)), count, size[1 - i]) for i in (1, 0)
    )
    return rows, columns


def _overlapping(
    start: np.float32, length: np.float32, count: int, limit: int
) -> list[tuple[int, int]]:
    each = length / _F(count)
    ends = []
    for i in range(count):
        low, high = int(np.floor(_F(i) * each + start)), int(np.ceil(_F(i + 1) * each + start))
        ends.append((min(max(low, 0), limit), min(max(high, 0), limit)))
    return ends


def _rounded(value: np.float32) -> int:
    """C's ``round``: halves away from 0."""
    return int(np.trunc(float(value) + (0.5 if value >= 0 else -0.5)))
