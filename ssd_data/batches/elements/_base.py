"""What an element is, and the three kinds that there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, TypeAlias

import msgspec
import numpy as np

from ssd_data.batches.augment.expand import Expansion
from ssd_data.batches.augment.rows import Region, Rows
from ssd_data.core.structures import Pixels
from ssd_data.proto import caffe_pb2

Generator: TypeAlias = np.random.Generator
Part = Annotated[float, msgspec.Meta(ge=0, le=1)]
Factor = Annotated[float, msgspec.Meta(ge=0.01, le=100)]
Times = Annotated[int, msgspec.Meta(ge=1, le=100)]
Sides = Annotated[int, msgspec.Meta(ge=0, le=1 << 14)]


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A picture with its boxes.

    Attributes:
        pixels: uint8 (height, width, 3) BGR or (height, width), not to be written to.
        rows: float32 (N, 8), see ``augment/rows.py``; boxes are fractions of it.
    """

    pixels: Pixels
    rows: Rows

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.pixels.shape[1], self.pixels.shape[0]


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """What an opening made: a picture, and what of it goes on, as a layer's own steps draw it.

    Attributes:
        piece: its boxes are those of what goes on.
        expansion, region: see :class:`~ssd_data.batches.augment.transform.Draft`.
    """

    piece: Piece
    expansion: Expansion | None = None
    region: Region | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """What an element must know of the data layer.

    Attributes:
        param: the ``transform_param``, of the size that this batch has.
        exact: whether resizing is to the last bit OpenCV's, see ``augment/resize.py``.
    """

    param: caffe_pb2.TransformationParameter
    exact: bool = True


class Element(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An element of augmentation.

    Attributes:
        prob: the share of pictures that it happens to.
        name: its file's. rank: where it stands in the order in which they happen.
        strong: whether it rests for a training's last iterations, where that is asked for.
        takes_others: whether it needs other pictures.
    """

    prob: Part = 1.0
    name: ClassVar[str] = ""
    rank: ClassVar[int] = 0
    strong: ClassVar[bool] = False
    takes_others: ClassVar[bool] = False

    def draw(self, generator: Generator, setting: Context, records: int) -> Any:
        """All that is random, before any picture is looked at.

        Args:
            records: how many there are to take other pictures from.
        """
        raise NotImplementedError

    def others(self, drawn: Any) -> Sequence[int]:
        """How many positions further on the other pictures stand that it needs."""
        return ()

    def faults(self, layer: caffe_pb2.LayerParameter, min_box: int) -> Iterator[tuple[str, str]]:
        """What speaks against it in a data layer, whose boxes have so many pixels at least; and
        the cure."""
        return iter(())


class Opening(Element, frozen=True):
    """Makes the picture that goes on. Where it happens there are neither expand nor samplers."""

    def open(self, drawn: Any, own: Piece, others: Sequence[Piece], setting: Context) -> Opened:
        """The picture that goes on; ``own`` and ``others`` as they are stored."""
        raise NotImplementedError


class Joining(Element, frozen=True):
    """Puts something of other pictures into the finished one."""

    def join(self, drawn: Any, own: Piece, others: Sequence[Piece], setting: Context) -> Piece:
        """The finished picture with that; ``others`` as they are stored."""
        raise NotImplementedError


class Colour(Element, frozen=True):
    """Changes values of the finished picture. Boxes stay where they are."""

    def paint(self, drawn: Any, pixels: Pixels) -> Pixels:
        """The picture, changed."""
        raise NotImplementedError


def rising(pair: tuple[float, float], name: str) -> None:
    """A range's first end is not above its last.

    Raises:
        ValueError: it is.
    """
    if not pair[0] <= pair[1]:
        raise ValueError(f"{name} falls from {pair[0]:g} to {pair[1]:g}")
