"""Box arithmetic, in one place. Boxes are float32 (N, 4): xmin, ymin, xmax, ymax.

Of records all of it is single precision, as in the original: computing in double and rounding at
the end gives other bytes.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from ssd_data.core.structures import Boxes, Flags

AnyBoxes = TypeVar("AnyBoxes", npt.NDArray[np.float32], npt.NDArray[np.float64])


def from_xywh(boxes: AnyBoxes) -> AnyBoxes:
    """Corner boxes from x, y, width, height: ``xmax = x + width``, summed in their own dtype.

    >>> from_xywh(np.array([[1.0, 2.0, 3.0, 4.0]]))
    array([[1., 2., 4., 6.]])
    """
    corners = boxes.copy()
    corners[:, 2:] += boxes[:, :2]
    return corners


def to_xywh(boxes: AnyBoxes) -> AnyBoxes:
    """The way back, in their own dtype."""
    sides = boxes.copy()
    sides[:, 2:] -= boxes[:, :2]
    return sides


def normalize(boxes: Boxes, width: int, height: int) -> Boxes:
    """Fractions from pixels: float32 divided by float32, no offset of one, no clipping."""
    fractions: Boxes = np.divide(boxes, np.array([width, height] * 2, np.float32), dtype=np.float32)
    return fractions


def turned_back(boxes: Boxes, orientation: int, width: float, height: float) -> Boxes:
    """Boxes of a picture as its EXIF orientation turns it, moved into its stored pixels.

    Args:
        orientation: 1 to 8 (TIFF 6.0, tag 274).
        width, height: of the picture as it is turned, in the boxes' unit.

    >>> turned_back(np.array([[0, 0, 2, 1]], np.float32), 6, 30, 40)  # stored as 40 x 30
    array([[ 0., 28.,  1., 30.]], dtype=float32)
    """
    xmin, ymin, xmax, ymax = boxes.T
    if orientation in (2, 3, 6, 7):
        xmin, xmax = width - xmax, width - xmin
    if orientation in (3, 4, 7, 8):
        ymin, ymax = height - ymax, height - ymin
    across, down = (xmin, xmax), (ymin, ymax)
    if orientation >= 5:
        across, down = down, across
    return np.stack([across[0], down[0], across[1], down[1]], axis=1).astype(np.float32)


def to_pixels(boxes: npt.NDArray[Any], width: Any, height: Any) -> npt.NDArray[np.float64]:
    """Pixels from fractions, to be scored: to a thousandth, which is what float32 can tell.

    Width and height are the picture's, or each box's own, int (N,).

    >>> to_pixels(np.array([[0.1, 0.25, 0.5, 1]], np.float32), 640, 480)
    array([[ 64., 120., 320., 480.]])
    """
    pixels: npt.NDArray[np.float64] = boxes.astype(np.float64) * np.array([width, height] * 2).T
    return np.round(pixels, 3)


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
