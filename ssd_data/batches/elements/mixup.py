"""Mixup: another picture shines through, and its boxes count as well.

H. Zhang and others, arXiv:1710.09412; for boxes Z. Zhang and others, Bag of Freebies,
arXiv:1902.04103; as YOLOX has it (``mixup`` in ``yolox/data/datasets/mosaicdetection.py``): the
other picture is scaled to the input times a factor and mirrored half of the time; both count half,
and all boxes count in full.

Other than there: it lies anywhere, not in the corner; where it does not reach, the picture stays
what it is, and is not darkened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np

from ssd_data.batches.augment import mirror, resize
from ssd_data.batches.elements._base import (
    Context,
    Factor,
    Generator,
    Joining,
    Part,
    Piece,
    Sides,
    rising,
)
from ssd_data.batches.elements._placed import Placed, require_alike, scaled_size


@dataclass(frozen=True, slots=True)
class Veil:
    """What was drawn: which picture, its factor, its place (0 … 1), and how it is resized."""

    other: int
    factor: float
    right: float
    down: float
    mirrored: bool
    interpolation: int


class Mixup(Joining, frozen=True):
    """Another picture shines through.

    Attributes:
        share: of the other picture where it lies.
        scale: its factor, the least and the greatest.
        visible: boxes of it of which no more than this share is seen are left out.
        least: boxes of it of fewer pixels in width or height are left out.
    """

    name: ClassVar[str] = "mixup"
    rank: ClassVar[int] = 2
    strong: ClassVar[bool] = True
    takes_others: ClassVar[bool] = True
    share: Part = 0.5
    scale: tuple[Factor, Factor] = (0.5, 1.5)
    visible: Part = 0.2
    least: Sides = 5

    def __post_init__(self) -> None:
        rising(self.scale, "scale")

    def draw(self, generator: Generator, setting: Context, records: int) -> Veil:
        """Which picture, how large, where."""
        factor = float(generator.uniform(*self.scale))
        other, turned = int(generator.integers(records)), bool(generator.integers(2))
        right, down = (float(n) for n in generator.random(2))
        way = resize.draw(setting.param.resize_param, generator)
        return Veil(other, factor, right, down, turned, way)

    def others(self, drawn: Veil) -> Sequence[int]:
        """The one."""
        return (drawn.other,)

    def join(self, drawn: Veil, own: Piece, others: Sequence[Piece], setting: Context) -> Piece:
        """Both, where the other has a box to be seen; else the picture alone."""
        (other,) = others
        require_alike(own.pixels, other.pixels)
        scaled = scaled_size(other, setting, drawn.factor)
        across, down = np.subtract(own.size, scaled).tolist()
        place = _between(drawn.right, across), _between(drawn.down, down)
        placed = Placed.at(other.size, scaled, place, own.size)
        found = mirror.move(other.rows) if drawn.mirrored else other.rows
        found = placed.rows(found, self.visible, self.least)
        if not len(found):
            return own
        pixels = mirror.apply(other.pixels) if drawn.mirrored else other.pixels
        shining = placed.pixels(pixels, drawn.interpolation, setting)
        left, top, right, bottom = placed.seen
        mixed = own.pixels.copy()
        part = mixed[top:bottom, left:right]
        mixed[top:bottom, left:right] = cv2.addWeighted(
            part, 1 - self.share, shining, self.share, 0
        )
        return Piece(mixed, np.concatenate([own.rows, found]))


def _between(share: float, room: int) -> int:
    """A whole number from 0 to the room, or from there to 0 where it is negative."""
    return min(room, 0) + int(share * (abs(room) + 1))


ELEMENT = Mixup
