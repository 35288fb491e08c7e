"""COCO's JSON: what is read of it, and what is written."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec

FOLDER = "annotations"
Side: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**31)] | None
Id: TypeAlias = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


def instances_file(split: str) -> str:
    """The JSON of a split, below the root."""
    return f"{FOLDER}/instances_{split}.json"


class CocoImage(msgspec.Struct, gc=False):
    """A picture; without ``width`` and ``height`` its file says them."""

    id: Id
    file_name: str
    width: Side = None
    height: Side = None


class CocoAnnotation(msgspec.Struct, gc=False):
    """A box as it is read; ``bbox`` are x, y, width, height, which are looked at apart."""

    image_id: Id
    category_id: Id
    bbox: msgspec.Raw
    id: Id = -1
    iscrowd: int | bool | None = 0


class NewAnnotation(msgspec.Struct):
    """A box as it is written."""

    id: int
    image_id: int
    category_id: int
    bbox: list[float]
    area: float
    iscrowd: int
    segmentation: tuple[()] = ()


class CocoCategory(msgspec.Struct, gc=False):
    """A class."""

    id: Id
    name: str


class CocoCategories(msgspec.Struct):
    """The classes of an instances JSON."""

    categories: list[CocoCategory] = []


class CocoInstances(msgspec.Struct):
    """Pictures and boxes of an instances JSON."""

    images: list[CocoImage]
    annotations: list[msgspec.Raw]  # views of the file: as objects they take twice the memory


class RawInstances(msgspec.Struct):
    """The same before anything in it is looked at."""

    images: list[msgspec.Raw] = []
    annotations: list[msgspec.Raw] = []


class OwnSize(msgspec.Struct):
    """A picture's size in its own JSON."""

    width: Side = None
    height: Side = None


class OwnAnnotation(msgspec.Struct):
    """A box in its picture's own JSON."""

    category_id: int
    bbox: msgspec.Raw
    iscrowd: int | bool | None = 0


class OwnJson(msgspec.Struct):
    """One picture's own JSON: ``{"image": {"width", "height"}, "annotation": [{"bbox", …}]}``."""

    annotation: list[OwnAnnotation]
    image: OwnSize = msgspec.field(default_factory=OwnSize)
