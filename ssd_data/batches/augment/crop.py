"""Crop: from a region in fractions to pixels, and the crop of a fixed size after resizing."""

from __future__ import annotations

import numpy as np

from ssd_data.batches.augment.canvas import Rect
from ssd_data.batches.augment.rows import Region


def rect(region: Region, width: int, height: int) -> Rect:
    """The region in pixels: the left upper corner and the size are cut to whole pixels, each.

    At least one pixel, inside; a region too small to hold one makes the original abort.

    Args:
        region: float32 (4,), within 0 … 1.
        width, height: of the picture, in pixels.
    """
    xmin, ymin, xmax, ymax = region * np.array((width, height) * 2, np.float32)
    left, top = min(int(xmin), width - 1), min(int(ymin), height - 1)
    wide, high = max(int(xmax - xmin), 1), max(int(ymax - ymin), 1)
    return left, top, min(left + wide, width), min(top + high, height)


def draw(
    width: int, height: int, size: tuple[int, int], generator: np.random.Generator | None
) -> Rect:
    """Where a crop of ``size`` (width, height) lies: anywhere; in the middle without generator."""
    across, down = width - size[0], height - size[1]
    if generator is None:
        left, top = across // 2, down // 2
    else:
        left, top = (int(n) for n in generator.integers((across + 1, down + 1)))
    return left, top, left + size[0], top + size[1]
