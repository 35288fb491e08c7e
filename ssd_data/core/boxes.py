"""Box arithmetic, in one place. Boxes are float32 (N, 4): xmin, ymin, xmax, ymax.

All of it is single precision, as in the original: computing in double and rounding at the end
gives other bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ssd_data.core.structures import Boxes, Flags


def from_xywh(boxes: Boxes) -> Boxes:
    """Corner boxes from x, y, width, height: ``xmax = x + width``, summed in float32."""
    corners = boxes.copy()
    corners[:, 2:] += boxes[:, :2]
    return corners


def normalize(boxes: Boxes, width: int, height: int) -> Boxes:
    """Fractions from pixels: float32 divided by float32, no offset of one, no clipping."""
    fractions: Boxes = np.divide(boxes, np.array([width, height] * 2, np.float32), dtype=np.float32)
    return fractions


def to_pixels(boxes: npt.NDArray[Any], width: int, height: int) -> npt.NDArray[np.float64]:
    """Pixels from fractions, to be scored: to a thousandth, which is what float32 can tell.

    >>> to_pixels(np.array([[0.1, 0.25, 0.5, 1]], np.float32), 640, 480)
    array([[ 64., 120., 320., 480.]])
    """
    return np.round(boxes.astype(np.float64) * [width, height, width, height], 3)


def all_sound(boxes: Boxes, width: int, height: int) -> bool:
    """Whether all boxes have an area and lie in a picture of that size.

    Counted in Python: a picture's few boxes take NumPy many times as long.
    """
    return all(
        0 <= xmin < xmax <= width and 0 <= ymin < ymax <= height
        for xmin, ymin, xmax, ymax in boxes.tolist()
    )


def is_empty(boxes: Boxes) -> Flags:
    """Which boxes have no area: inverted or with a side of zero; bool (N,)."""
    return (boxes[:, 2] <= boxes[:, 0]) | (boxes[:, 3] <= boxes[:, 1])


def is_outside(boxes: Boxes) -> Flags:
    """Which fractional boxes leave the picture, wholly or in part; bool (N,)."""
    outside: Flags = np.any((boxes < 0) | (boxes > 1), axis=1)
    return outside


def clip(boxes: Boxes) -> Boxes:
    """Fractional boxes cut at the picture's border."""
    return boxes.clip(np.float32(0), np.float32(1))
