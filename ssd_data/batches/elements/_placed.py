"""A picture that is scaled and laid somewhere into another one, of which some is seen.

Only what is seen is scaled, with some pixels around it. Its edges are cut to whole pixels in both
pictures, and boxes move exactly as these pixels do.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor

import numpy as np

from ssd_data.batches.augment import resize
from ssd_data.batches.augment.canvas import Rect, intersect, is_empty
from ssd_data.batches.augment.rows import WHOLE, Rows, large_enough, project
from ssd_data.batches.elements._base import Context, Piece
from ssd_data.core.errors import InputError
from ssd_data.core.structures import Pixels
from ssd_data.proto import caffe_pb2

EmitConstraint = caffe_pb2.EmitConstraint
AROUND = 2  # pixels that interpolations look at


@dataclass(frozen=True, slots=True)
class Placed:
    """Where it lies.

    Attributes:
        size, outer: width and height in pixels of the picture, and of the one that it lies in.
        seen: what of it is seen: left, top, right, bottom in the outer one; may be empty.
        source, target: the part that is scaled, in the picture, and what it becomes in the outer
            one, which may reach beyond it.
    """

    size: tuple[int, int]
    outer: tuple[int, int]
    seen: Rect
    source: Rect
    target: Rect

    @staticmethod
    def at(
        size: tuple[int, int],
        scaled: tuple[int, int],
        place: tuple[int, int],
        outer: tuple[int, int],
    ) -> Placed:
        """A picture of a size, scaled to another one, with its left upper corner at a place."""
        rect = (*place, place[0] + scaled[0], place[1] + scaled[1])
        seen = intersect((0, 0, *outer), rect)
        axes = [_axis(size[i], scaled[i], place[i], seen[i], seen[i + 2]) for i in (0, 1)]
        (x0, x1, x2, x3), (y0, y1, y2, y3) = axes
        return Placed(size, outer, seen, (x0, y0, x1, y1), (x2, y2, x3, y3))

    @property
    def hidden(self) -> bool:
        """Whether nothing of it is seen."""
        return is_empty(self.seen)

    def pixels(self, picture: Pixels, interpolation: int, setting: Context) -> Pixels:
        """Those that are seen, uint8."""
        left, top, right, bottom = self.source
        x, y = self.target[0], self.target[1]
        size = (self.target[2] - x, self.target[3] - y)
        part = picture[top:bottom, left:right]
        scaled = resize.scale(part, size, interpolation, exact=setting.exact)
        return scaled[self.seen[1] - y : self.seen[3] - y, self.seen[0] - x : self.seen[2] - x]

    def rows(self, rows: Rows, visible: float, least: int) -> Rows:
        """The boxes as fractions of the outer one, cut at its border.

        Args:
            visible: of a box that stays more than this share is seen.
            least: so many pixels it is wide and high.
        """
        source, target = np.array(self.source), np.array(self.target)
        ratio = (source[2:] - source[:2]) / (target[2:] - target[:2])
        edges = np.array([(0, 0), self.outer]) - target[:2]
        region = ((source[:2] + edges * ratio) / self.size).ravel().astype(np.float32)
        kind = EmitConstraint.MIN_OVERLAP
        emit = EmitConstraint(emit_type=kind, emit_overlap=visible)
        return large_enough(project(project(rows, WHOLE, None), region, emit), *self.outer, least)


def _axis(size: int, scaled: int, place: int, first: int, last: int) -> tuple[int, int, int, int]:
    """Of one axis: first and last of source and target, in the order left, right, left, right."""
    ratio = scaled / size
    around = AROUND + ceil(1 / ratio)
    low = max(floor((first - place) / ratio) - around, 0)
    high = min(ceil((last - place) / ratio) + around, size)
    low = min(low, size - 1)
    high = max(high, low + 1)
    begin = round(low * ratio)
    return low, high, place + begin, place + max(round(high * ratio), begin + 1)


def input_size(param: caffe_pb2.TransformationParameter) -> tuple[int, int]:
    """Width and height of what the layer resizes to."""
    return param.resize_param.width, param.resize_param.height


def scaled_size(piece: Piece, setting: Context, factor: float) -> tuple[int, int]:
    """Width and height of a picture that is resized as the layer resizes, times a factor."""
    size = piece.size
    if setting.param.HasField("resize_param"):
        size = resize.new_size(setting.param.resize_param, *size)
    wide, high = (max(round(side * factor), 1) for side in size)
    return min(wide, resize.MOST_SIDE), min(high, resize.MOST_SIDE)


def require_alike(picture: Pixels, other: Pixels) -> None:
    """Two pictures have as many channels.

    Raises:
        InputError: they have not.
    """
    if picture.ndim != other.ndim:
        kinds = ["gray" if one.ndim == 2 else "coloured" for one in (picture, other)]
        raise InputError(
            f"it is {kinds[0]}, a picture that is to be joined with it {kinds[1]}",
            hint="Set force_color: true in transform_param, or build the LMDB anew",
        )
