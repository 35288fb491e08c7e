"""A picture that is scaled and laid somewhere into another one, of which some is seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ssd_data.batches.augment import resize
from ssd_data.batches.augment.canvas import Rect, intersect
from ssd_data.batches.augment.rows import WHOLE, Rows, large_enough, project
from ssd_data.batches.elements._base import Piece, Setting
from ssd_data.core.errors import InputError
from ssd_data.core.structures import Pixels
from ssd_data.proto import caffe_pb2

EmitConstraint = caffe_pb2.EmitConstraint


@dataclass(frozen=True, slots=True)
class Placed:
    """Where it lies: its left upper corner and its size, in pixels of the other one.

    Attributes:
        outer: width and height of that.
    """

    x: int
    y: int
    width: int
    height: int
    outer: tuple[int, int]

    @property
    def seen(self) -> Rect:
        """What is seen of it: left, top, right, bottom in the other one; may be empty."""
        rect = (self.x, self.y, self.x + self.width, self.y + self.height)
        return intersect((0, 0, *self.outer), rect)

    def pixels(self, picture: Pixels, interpolation: int, setting: Setting) -> Pixels:
        """Those that are seen, uint8."""
        left, top, right, bottom = self.seen
        size = (self.width, self.height)
        scaled = resize.scale(picture, size, interpolation, exact=setting.exact)
        return scaled[top - self.y : bottom - self.y, left - self.x : right - self.x]

    def rows(self, rows: Rows, visible: float, least: int) -> Rows:
        """The boxes as fractions of the other one, cut at its border.

        Args:
            visible: of a box that stays more than this share is seen.
            least: so many pixels it is wide and high.
        """
        width, height = self.outer
        edges = (-self.x, -self.y, width - self.x, height - self.y)
        region = np.divide(edges, (self.width, self.height) * 2, dtype=np.float32)
        kind = EmitConstraint.MIN_OVERLAP
        emit = EmitConstraint(emit_type=kind, emit_overlap=visible)
        return large_enough(project(project(rows, WHOLE, None), region, emit), *self.outer, least)


def input_size(param: caffe_pb2.TransformationParameter) -> tuple[int, int]:
    """Width and height of what the layer resizes to."""
    return param.resize_param.width, param.resize_param.height


def scaled_size(piece: Piece, setting: Setting, factor: float) -> tuple[int, int]:
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
