"""Square: a crop of the shorter side times a factor, which above 1 reaches beyond the picture.

J. Guo and others, SCRFD, arXiv:2105.04714 (sample redistribution): ``RandomSquareCrop`` in
insightface's ``detection/scrfd/mmdet/datasets/pipelines/transforms.py``, with the factors of its
``configs/scrfd``. A factor is drawn, then up to 250 places, until the centre of a box lies inside;
then another factor. Boxes stay whose centre lies inside. What is not of the picture has the mean's
colour (there 128, which is SCRFD's mean).

Other than there: after 10 factors without a box it is the whole picture, as the layer's steps would
have it without expand and samplers; of a picture without boxes any square will do; the layer's
``emit_constraint`` counts where it has one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from ssd_data.batches.augment.canvas import Rect
from ssd_data.batches.augment.expand import MOST_PIXELS, Expansion
from ssd_data.batches.augment.rows import BOX, Region, Rows, project
from ssd_data.batches.elements._base import Context, Generator, Opened, Opening, Piece
from ssd_data.core.errors import InputError
from ssd_data.proto import caffe_pb2

FACTORS, PLACES = 10, 250
Scale = Annotated[float, msgspec.Meta(ge=0.05, le=4)]
_Numbers: TypeAlias = npt.NDArray[np.float64]
_CENTER = caffe_pb2.EmitConstraint(emit_type=caffe_pb2.EmitConstraint.CENTER)


@dataclass(frozen=True, slots=True, eq=False)
class Squares:
    """What was drawn: factors (10,), and for each its places, (10, 250, 2) in 0 … 1."""

    factors: _Numbers
    places: _Numbers


class Square(Opening, frozen=True):
    """A square crop.

    Attributes:
        scales: factors of the picture's shorter side, each as likely.
    """

    name: ClassVar[str] = "square"
    rank: ClassVar[int] = 1
    scales: Annotated[tuple[Scale, ...], msgspec.Meta(min_length=1, max_length=100)] = (
        0.3, 0.45, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0,
    )  # fmt: skip

    def draw(self, generator: Generator, setting: Context, records: int) -> Squares:
        """Factors and places."""
        factors = np.array(self.scales)[generator.integers(len(self.scales), size=FACTORS)]
        return Squares(factors, generator.random((FACTORS, PLACES, 2)))

    def open(self, drawn: Squares, own: Piece, others: Sequence[Piece], setting: Context) -> Opened:
        """The picture, and the square of it that goes on."""
        rect = square(drawn, own.rows, *own.size)
        if rect is None:
            return Opened(own)
        width, height = own.size
        region = np.divide(rect, (width, height) * 2, dtype=np.float32)
        has_own = setting.param.HasField("emit_constraint")
        emit = setting.param.emit_constraint if has_own else _CENTER
        piece = Piece(own.pixels, project(own.rows, region, emit))
        return Opened(piece, *_in_larger(rect, width, height))

    def faults(self, layer: caffe_pb2.LayerParameter, min_box: int) -> Iterator[tuple[str, str]]:
        """It needs one size for all pictures."""
        if not layer.transform_param.HasField("resize_param"):
            what = "it needs a resize_param: its squares have many sizes"
            yield what, "Set one in transform_param"


def square(drawn: Squares, rows: Rows, width: int, height: int) -> Rect | None:
    """The square in pixels of the picture, which it may leave; None where none holds a centre."""
    boxes = rows[:, BOX].astype(np.float64)
    centers = (boxes[:, :2] + boxes[:, 2:]) / 2 * (width, height)
    for factor, places in zip(drawn.factors, drawn.places, strict=True):
        side = max(int(factor * min(width, height)), 1)
        room = np.array((width - side, height - side))
        low, ways = np.minimum(room, 0), np.abs(room) + 1
        corners = (low + np.floor(places * ways)).astype(np.int64)
        at = 0 if not len(centers) else _first(corners, side, centers)
        if at is not None:
            left, top = (int(n) for n in corners[at])
            return left, top, left + side, top + side
    return None


def _first(corners: npt.NDArray[np.int64], side: int, centers: _Numbers) -> int | None:
    """The first square with a centre inside."""
    for start in range(0, len(corners), 10):  # mostly one of the first has one
        some = corners[start : start + 10, None]
        inside = ((centers > some) & (centers < some + side)).all(2)
        found = np.flatnonzero(np.any(inside, axis=1))
        if len(found):
            return start + int(found[0])
    return None


def _in_larger(rect: Rect, width: int, height: int) -> tuple[Expansion | None, Region]:
    """The square as part of the picture, enlarged as far as the square reaches."""
    left, top = min(rect[0], 0), min(rect[1], 0)
    wide, high = max(rect[2], width) - left, max(rect[3], height) - top
    if wide * high > MOST_PIXELS:
        raise InputError(f"enlarged to {wide}x{high} the picture has over {MOST_PIXELS} pixels")
    grown = (wide, high) != (width, height)
    expansion = Expansion(wide, high, -left, -top) if grown else None
    x, y, side = rect[0] - left, rect[1] - top, rect[2] - rect[0]
    # Cut to whole pixels later on: a little more than whole ones, lest rounding takes one.
    edges = np.array((x, y, x + side, y + side)) + np.array((0.1, 0.1, 0.2, 0.2))
    return expansion, np.divide(edges, (wide, high) * 2, dtype=np.float32)


ELEMENT = Square
