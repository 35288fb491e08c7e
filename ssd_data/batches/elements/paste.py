"""Paste: boxes of another picture are put where this one has none.

M. Kisantal and others, Augmentation for small object detection, arXiv:1902.07296: objects are
copied to places where they cover no other, each scaled by a factor of 0.8 to 1.2. D. Dwibedi and
others, Cut, Paste and Learn, arXiv:1708.01642: edges that fade keep a net from learning the edges.

Other than there: boxes are no masks, so what is copied is the box with a margin, in which it fades
into the picture; the margin is no part of the new box. Nothing is turned. Difficult boxes are not
copied, nor those that another one of their picture touches: ten are drawn until one will do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from ssd_data.batches.augment import resize
from ssd_data.batches.augment.canvas import Rect
from ssd_data.batches.augment.rows import BOX, WHOLE, Rows, project
from ssd_data.batches.elements._base import (
    Context,
    Factor,
    Generator,
    Joining,
    Part,
    Piece,
    Sides,
    Times,
    rising,
)
from ssd_data.batches.elements._placed import require_alike, scaled_size
from ssd_data.core.structures import Pixels

TRIES = 10
_Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Copies:
    """What was drawn.

    Attributes:
        other: the picture that they are of.
        chosen: of each copy the boxes that are tried, (count, 10) in 0 … 1.
        factors: of each, (count,). places: of each those that are tried, (count, 10, 2) in 0 … 1.
        interpolation: how they are resized.
    """

    other: int
    chosen: _Floats
    factors: _Floats
    places: _Floats
    interpolation: int


class Paste(Joining, frozen=True):
    """Boxes of another picture.

    Attributes:
        count: at most so many.
        scale: of each, the least and the greatest.
        margin: in which a copy fades, as a share of the box.
        least: boxes that would have fewer pixels in width or height are not copied.
        largest: nor those whose width or height would be a greater share of the picture's.
    """

    name: ClassVar[str] = "paste"
    rank: ClassVar[int] = 3
    strong: ClassVar[bool] = True
    takes_others: ClassVar[bool] = True
    prob: Part = 0.5
    count: Times = 3
    scale: tuple[Factor, Factor] = (0.8, 1.2)
    margin: Part = 0.1
    least: Sides = 5
    largest: Part = 0.4

    def __post_init__(self) -> None:
        rising(self.scale, "scale")

    def draw(self, generator: Generator, setting: Context, records: int) -> Copies:
        """Which boxes of which picture, how large, and where they are tried."""
        other = int(generator.integers(records))
        way = resize.draw(setting.param.resize_param, generator)
        factors = generator.uniform(*self.scale, size=self.count)
        chosen = generator.random((self.count, TRIES))
        places = generator.random((self.count, TRIES, 2))
        return Copies(other, chosen, factors, places, way)

    def others(self, drawn: Copies) -> Sequence[int]:
        """The one."""
        return (drawn.other,)

    def join(self, drawn: Copies, own: Piece, others: Sequence[Piece], setting: Context) -> Piece:
        """The picture with the copies that found a place; its own boxes come first."""
        (other,) = others
        require_alike(own.pixels, other.pixels)
        pixels, rows = own.pixels, own.rows
        found = project(other.rows, WHOLE, None)
        for chosen, factor, places in zip(drawn.chosen, drawn.factors, drawn.places, strict=True):
            copy = self._first(found, chosen, float(factor), own, other, setting)
            at = None if copy is None else copy.place(places, rows, own.size)
            if copy is None or at is None:
                continue
            pixels = pixels.copy() if pixels is own.pixels else pixels
            copy.put(pixels, at, other.pixels, drawn.interpolation, setting)
            rows = np.concatenate([rows, copy.moved(at, own.size)])
        return Piece(pixels, rows)

    def _first(
        self,
        rows: Rows,
        chosen: _Floats,
        factor: float,
        own: Piece,
        other: Piece,
        setting: Context,
    ) -> Copy | None:
        """The first of the chosen boxes that may be copied."""
        scaled = scaled_size(other, setting, factor)
        sides = (rows[:, 5:7] - rows[:, 3:5]) * np.array(scaled, np.float32)
        for index in (chosen * len(rows)).astype(int).tolist() if len(rows) else ():
            fits = (sides[index] >= max(self.least, 1)).all()
            fits &= (sides[index] <= np.multiply(own.size, self.largest)).all()
            if fits and _is_free(rows, index):
                return Copy.of(rows[index], other.size, scaled, self.margin)
        return None


@dataclass(frozen=True, slots=True, eq=False)
class Copy:
    """A box with its margin.

    Attributes:
        row: the box's, float32 (8,).
        source: in pixels of the picture that it is of. size: width and height of the copy.
        edges: the box in pixels of the copy, (4,).
    """

    row: Rows
    source: Rect
    size: tuple[int, int]
    edges: _Floats

    @staticmethod
    def of(row: Rows, size: tuple[int, int], scaled: tuple[int, int], margin: float) -> Copy:
        """Of a box in a picture of a size, which is scaled to another one."""
        box = row[BOX].astype(np.float64) * (size * 2)
        around = (box[2:] - box[:2]) * margin
        low = np.maximum(np.floor(box[:2] - around), 0).astype(int)
        high = np.minimum(np.ceil(box[2:] + around), size).astype(int)
        wide, tall = (int(n) for n in np.maximum(np.rint((high - low) * scaled / size), 1))
        edges = (box - np.tile(low, 2)) * np.tile((wide, tall) / (high - low), 2)
        left, top, right, bottom = (int(n) for n in (*low, *high))
        return Copy(row, (left, top, right, bottom), (wide, tall), edges)

    def place(self, places: _Floats, rows: Rows, outer: tuple[int, int]) -> tuple[int, int] | None:
        """The first place, left and top, where the copy touches no box; None where none is."""
        room = np.subtract(outer, self.size) + 1
        if (room < 1).any():
            return None
        boxes = rows[:, BOX].astype(np.float64) * (outer * 2)
        for left, top in (np.floor(places * room)).astype(int).tolist():
            right, bottom = left + self.size[0], top + self.size[1]
            across = (boxes[:, 0] < right) & (boxes[:, 2] > left)
            if not (across & (boxes[:, 1] < bottom) & (boxes[:, 3] > top)).any():
                return left, top
        return None

    def put(
        self, pixels: Pixels, at: tuple[int, int], other: Pixels, way: int, setting: Context
    ) -> None:
        """Write the copy into a picture."""
        left, top, right, bottom = self.source
        part = resize.scale(other[top:bottom, left:right], self.size, way, exact=setting.exact)
        across = _fading(self.size[0], self.edges[0], self.edges[2])
        down = _fading(self.size[1], self.edges[1], self.edges[3])
        weights = np.outer(down, across).astype(np.float32)
        weights = weights if part.ndim == 2 else np.repeat(weights[:, :, None], 3, 2)
        under = pixels[at[1] : at[1] + self.size[1], at[0] : at[0] + self.size[0]]
        mixed = under + (part.astype(np.float32) - under) * weights
        under[:] = np.rint(mixed).astype(np.uint8)

    def moved(self, at: tuple[int, int], outer: tuple[int, int]) -> Rows:
        """The row of the copy at a place, float32 (1, 8)."""
        found = self.row[None].copy()
        found[0, BOX] = ((self.edges + (at * 2)) / (outer * 2)).clip(0, 1)
        return found


def _is_free(rows: Rows, index: int) -> bool:
    """Whether a box is not difficult, and no other touches it."""
    row = rows[index]
    touching = (rows[:, 3:5] < row[5:7]) & (rows[:, 5:7] > row[3:5])
    return not row[7] and int(touching.all(1).sum()) == 1


def _fading(length: int, first: float, last: float) -> _Floats:
    """Of each pixel of a side how much counts: all from first to last, less towards the ends."""
    middles = np.arange(length) + 0.5
    before = middles / first if first > 0.5 else np.ones(length)
    after = (length - middles) / (length - last) if length - last > 0.5 else np.ones(length)
    return np.minimum(np.minimum(before, after), 1)


ELEMENT = Paste
