"""Mosaic: four pictures around a point, of which a part is seen.

A. Bochkovskiy and others, YOLOv4, arXiv:2004.10934, as YOLOX has it (Z. Ge and others,
arXiv:2107.08430; ``yolox/data/datasets/mosaicdetection.py``): each picture is scaled to the input;
on a ground of twice its width and height they meet at a point that is drawn in its middle half; the
ground is scaled by a factor, moved a little, and the middle of it is the input.

Other than there: a picture is scaled as the layer's ``resize_param`` says (WARP squeezes it); each
is resized once, to the place where it is seen, by an interpolation of the layer; nothing is turned
or sheared, so that boxes stay what they are; the ground has the mean's colour.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ssd_data.batches.augment import expand, resize
from ssd_data.batches.elements._base import (
    Context,
    Factor,
    Generator,
    Opened,
    Opening,
    Part,
    Piece,
    Sides,
    rising,
)
from ssd_data.batches.elements._placed import Placed, input_size, require_alike, scaled_size
from ssd_data.proto import caffe_pb2


@dataclass(frozen=True, slots=True)
class MosaicTile:
    """One of the four: left and above the point, or right, or below, which one, and how resized.

    Attributes:
        right, below: whether it lies there.
        other: how many positions further on it stands; None for the position's own picture.
        interpolation: OpenCV's number.
    """

    right: bool
    below: bool
    other: int | None
    interpolation: int


@dataclass(frozen=True, slots=True)
class Tiling:
    """What was drawn: where they meet, in pixels of the input, their scale, and those seen."""

    x: int
    y: int
    scale: float
    seen: tuple[MosaicTile, ...]


class Mosaic(Opening, frozen=True):
    """Four pictures around a point.

    Attributes:
        scale: of the ground, the least and the greatest.
        shift: how far its middle moves, as a share of the input.
        visible: boxes of which no more than this share is seen are left out.
        least: boxes of fewer pixels in width or height are left out.
    """

    name: ClassVar[str] = "mosaic"
    rank: ClassVar[int] = 0
    strong: ClassVar[bool] = True
    takes_others: ClassVar[bool] = True
    scale: tuple[Factor, Factor] = (0.5, 1.5)
    shift: Part = 0.1
    visible: Part = 0.2
    least: Sides = 2

    def __post_init__(self) -> None:
        rising(self.scale, "scale")

    def draw(self, generator: Generator, setting: Context, records: int) -> Tiling:
        """Where the pictures meet, their scale, and which they are."""
        how = setting.param.resize_param
        size = input_size(setting.param)
        middle, moved = generator.uniform(0.5, 1.5, 2), generator.uniform(-1, 1, 2)
        scale = float(generator.uniform(*self.scale))
        others = [None, *(int(n) for n in generator.integers(records, size=3))]
        ways = [resize.draw(how, generator) for _ in range(4)]
        shares = scale * (middle - 1) + 0.5 + self.shift * moved
        x, y = (round(float(share) * side) for share, side in zip(shares, size, strict=True))
        seen = []
        for at, (other, way) in enumerate(zip(others, ways, strict=True)):
            right, below = at % 2 == 1, at >= 2
            if (x < size[0] if right else x > 0) and (y < size[1] if below else y > 0):
                seen.append(MosaicTile(right, below, other, way))
        return Tiling(x, y, scale, tuple(seen))

    def others(self, drawn: Tiling) -> Sequence[int]:
        """Of the pictures that are seen."""
        return [tile.other for tile in drawn.seen if tile.other is not None]

    def open(self, drawn: Tiling, own: Piece, others: Sequence[Piece], setting: Context) -> Opened:
        """A picture of the input's size."""
        size = input_size(setting.param)
        channels = 1 if own.pixels.ndim == 2 else own.pixels.shape[2]
        ground = expand.ground(tuple(setting.param.mean_value), channels)
        pixels = np.empty((size[1], size[0], *own.pixels.shape[2:]), np.uint8)
        pixels[:] = ground if pixels.ndim == 3 else ground[0]
        rows, left = [], iter(others)
        for tile in drawn.seen:
            piece = own if tile.other is None else next(left)
            require_alike(own.pixels, piece.pixels)
            width, height = scaled_size(piece, setting, drawn.scale)
            x = drawn.x - (0 if tile.right else width)
            y = drawn.y - (0 if tile.below else height)
            placed = Placed.at(piece.size, (width, height), (x, y), size)
            if not placed.hidden:
                x0, y0, x1, y1 = placed.seen
                pixels[y0:y1, x0:x1] = placed.pixels(piece.pixels, tile.interpolation, setting)
                rows.append(placed.rows(piece.rows, self.visible, self.least))
        found = np.concatenate(rows) if rows else own.rows[:0]
        return Opened(Piece(pixels, found))

    def faults(self, layer: caffe_pb2.LayerParameter, min_box: int) -> Iterator[tuple[str, str]]:
        """It needs to know the input's size, and makes boxes small."""
        param = layer.transform_param
        if not param.HasField("resize_param") or param.resize_param.resize_mode == resize.FIT_SMALL:
            what = "it needs a resize_param of WARP or FIT_LARGE_SIZE_AND_PAD"
            yield what, "Set one in transform_param"
        if min_box:
            what = f"it makes boxes small: those below {min_box} pixels would be seen, and left out"
            yield what, "Leave --min-face out, or mosaic"


ELEMENT = Mosaic
