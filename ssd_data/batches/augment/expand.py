"""Expand: the picture somewhere in a larger one that is filled with the mean (``expand_param``)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ssd_data.batches.augment.canvas import Canvas, Colour
from ssd_data.batches.augment.rows import Region
from ssd_data.core.errors import InputError
from ssd_data.proto import caffe_pb2

MOST_PIXELS = 1 << 30  # as much as OpenCV decodes


@dataclass(frozen=True, slots=True)
class Expansion:
    """What was drawn, in pixels: the larger picture's size, and where the picture lies in it."""

    width: int
    height: int
    x: int
    y: int

    def region(self, width: int, height: int) -> Region:
        """The larger picture in fractions of the smaller one, which has that size; float32 (4,)."""
        edges = (-self.x, -self.y, self.width - self.x, self.height - self.y)
        region: Region = np.divide(edges, (width, height) * 2, dtype=np.float32)
        return region


def check(param: caffe_pb2.ExpansionParameter, where: str) -> None:
    """Refuse what the original aborts at.

    Raises:
        InputError: ``max_expand_ratio`` is not above 1.
    """
    if not 1 < param.max_expand_ratio < np.inf:
        raise InputError(
            f"expand_param has a max_expand_ratio of {param.max_expand_ratio:g}",
            where=where,
            hint="It must be above 1",
        )


def draw(
    param: caffe_pb2.ExpansionParameter, width: int, height: int, generator: np.random.Generator
) -> Expansion | None:
    """Decide how much larger and where; None where the picture stays as it is.

    Raises:
        InputError: the larger picture would have more than 2^30 pixels.
    """
    if generator.random() > param.prob or abs(param.max_expand_ratio - 1) < 1e-2:
        return None
    ratio, right, down = generator.random(3, np.float32)
    ratio = np.float32(1) + ratio * np.float32(param.max_expand_ratio - 1)
    wide, high = int(np.float32(width) * ratio), int(np.float32(height) * ratio)
    if wide * high > MOST_PIXELS:
        raise InputError(f"expanded to {wide}x{high} the picture has over {MOST_PIXELS} pixels")
    return Expansion(wide, high, int(right * (wide - width)), int(down * (high - height)))


def ground(means: tuple[float, ...], channels: int) -> Colour:
    """The mean as pixel values: rounded, halves to the even one; black where there is no mean.

    Raises:
        InputError: there are neither as many means as channels nor one.
    """
    if not means:
        return (0,) * channels
    if len(means) not in (1, channels):
        raise InputError(f"{len(means)} mean_value for {channels} channels")
    values = np.rint(np.array(means * (channels // len(means)), np.float32)).clip(0, 255)
    return tuple(int(value) for value in values)


def apply(canvas: Canvas, expansion: Expansion, colour: Colour) -> Canvas:
    """The picture on its larger ground; no pixel is copied.

    What the canvas does not hold of the picture becomes ground, so it must hold what will be used.
    """
    x, y = canvas.x + expansion.x, canvas.y + expansion.y
    return Canvas(expansion.width, expansion.height, canvas.part, x, y, colour)
