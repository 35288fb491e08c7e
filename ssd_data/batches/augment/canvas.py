"""A picture of which only a part is held: the rest is one colour, or nobody will look at it.

A picture in a canvas of four times its width is mostly ground, and of a picture that is about to be
cropped most is thrown away. A JPEG round trip of the part alone gives the very pixels that a round
trip of the whole does, as long as the part's edges lie on the edges of JPEG's blocks: the discrete
cosine transform and the rounding of its coefficients know nothing outside a block of 16x16 pixels
(4:2:0), and the decoder's interpolation of colours looks one colour sample (two pixels) further. It
does not interpolate pictures of up to four pixels' width, so no part is made that narrow.
Colour conversions want multiples of 64 pixels (``STRIDE``): OpenCV works on as many at a time, and
on what is left of a row with other roundings.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import cv2
import numpy as np

from ssd_data.core.errors import InputError
from ssd_data.core.structures import Pixels

Rect: TypeAlias = tuple[int, int, int, int]
Colour: TypeAlias = tuple[int, ...]
BLOCK, STRIDE, CONTEXT = 16, 64, 4


@dataclass(frozen=True, slots=True, eq=False)
class Canvas:
    """A picture of ``width`` and ``height`` pixels, of which a part is held.

    Attributes:
        width, height: in pixels.
        part: uint8 (rows, columns, 3) or (rows, columns), held at column x, row y.
        ground: the colour of all that is not held; None where it must not be asked for.
    """

    width: int
    height: int
    part: Pixels
    x: int = 0
    y: int = 0
    ground: Colour | None = None

    @staticmethod
    def of(picture: Pixels) -> Canvas:
        """A canvas that is held as a whole."""
        return Canvas(picture.shape[1], picture.shape[0], picture)

    @property
    def held(self) -> Rect:
        """The held part: left, top, right, bottom in pixels; right and bottom are outside."""
        rows, columns = self.part.shape[:2]
        return self.x, self.y, self.x + columns, self.y + rows

    @property
    def whole(self) -> Rect:
        """All of it."""
        return 0, 0, self.width, self.height

    def pixels(self, rect: Rect) -> Pixels:
        """The pixels of a rectangle: of the held part, the ground elsewhere."""
        left, top, right, bottom = rect
        x0, y0, x1, y1 = intersect(rect, self.held)
        piece = self.part[y0 - self.y : y1 - self.y, x0 - self.x : x1 - self.x]
        if (x0, y0, x1, y1) == rect:
            return piece
        assert self.ground is not None
        if is_empty((x0, y0, x1, y1)):
            shape = (bottom - top, right - left, *self.part.shape[2:])
            return np.full(shape, self.ground if len(shape) == 3 else self.ground[0], np.uint8)
        edges = (y0 - top, bottom - y1, x0 - left, right - x1)
        pixels = cv2.copyMakeBorder(piece, *edges, cv2.BORDER_CONSTANT, value=self.ground)
        return np.asarray(pixels, np.uint8)

    def crop(self, rect: Rect) -> Canvas:
        """The canvas of a rectangle."""
        left, top, right, bottom = rect
        x0, y0, x1, y1 = intersect(rect, self.held)
        piece = self.part[y0 - self.y : y1 - self.y, x0 - self.x : x1 - self.x]
        return Canvas(right - left, bottom - top, piece, x0 - left, y0 - top, self.ground)

    def reencode(self, needed: Rect) -> Canvas:
        """What is left after a JPEG round trip of the whole; exact in ``needed`` at least."""
        rect = grow(needed, self.whole)
        if self.ground is not None:
            # One block of ground around the part takes what its edges spill.
            held = intersect(rect, grow(self.held, self.whole, BLOCK))
            rect = held if not is_empty(held) else (0, 0, 0, 0)
        part = self.pixels(rect)
        if not is_empty(rect):
            part = round_trip(part)
        ground = self.ground and _colour_after_round_trip(self.ground, self.part.ndim)
        return Canvas(self.width, self.height, part, rect[0], rect[1], ground)


def intersect(rect: Rect, other: Rect) -> Rect:
    """What two rectangles have in common; one without area lies within ``rect`` all the same."""
    left, top = (min(max(a, b), c) for a, b, c in zip(rect[:2], other[:2], rect[2:], strict=True))
    return left, top, max(left, min(rect[2], other[2])), max(top, min(rect[3], other[3]))


def is_empty(rect: Rect) -> bool:
    """Whether it holds no pixel."""
    return rect[2] <= rect[0] or rect[3] <= rect[1]


def grow(rect: Rect, limit: Rect, by: int = CONTEXT, stride: int = BLOCK) -> Rect:
    """A rectangle with ``by`` pixels around it, to the next edges of blocks, within ``limit``.

    ``stride`` is the width of a block.
    """
    left, top, right, bottom = rect
    wide = (
        (left - by) // stride * stride,
        (top - by) // BLOCK * BLOCK,
        -(-(right + by) // stride) * stride,
        -(-(bottom + by) // BLOCK) * BLOCK,
    )
    return intersect(limit, wide)


def round_trip(picture: Pixels, quality: int | None = None) -> Pixels:
    """Encode as JPEG of a quality, OpenCV's default where it is None, and decode again.

    Raises:
        InputError: OpenCV cannot encode it: a side of more than 65,500 pixels.
    """
    gray = picture.ndim == 2
    how = [] if quality is None else [cv2.IMWRITE_JPEG_QUALITY, quality]
    try:
        data = cv2.imencode(".jpg", picture, how)[1]
        decoded = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE if gray else cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise InputError(f"a JPEG of it cannot be made: {error.err}") from None
    return np.asarray(decoded, np.uint8)


@lru_cache(64)
def _colour_after_round_trip(colour: Colour, dimensions: int) -> Colour:
    shape = (BLOCK, BLOCK, 3)[:dimensions]
    picture = np.full(shape, colour if dimensions == 3 else colour[0], np.uint8)
    return tuple(int(value) for value in np.atleast_1d(round_trip(picture)[0, 0]))
