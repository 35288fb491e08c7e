"""COCO's JSON: what is read of it, and what is written."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec

from ssd_data.data.formats.shares import SharedSource

FROM_OUTLINE = "annotation without a box (taken from its polygon or mask)"
TURNED = "rotated box (the upright box around it is taken)"
MASKS = "iscrowd of CVAT's masks (not taken as difficult)"
STRANGER = "annotation of an image that the JSON does not list"
MADE_TWICE = "box stands under several ids of its picture (taken once)"
TWO_SIZES = "the sizes that its images state differ"
FOLDER = "annotations"
NOTHING = msgspec.Raw(b"")
Side: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**31)] | None
Id: TypeAlias = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


def instances_file(split: str) -> str:
    """The JSON of a split, below the root."""
    return f"{FOLDER}/instances_{split}.json"


class CocoSource(SharedSource, frozen=True, forbid_unknown_fields=True):
    """An instances JSON, or a share of its pictures.

    Attributes:
        json: the file below the root (``annotations/instances_train2017.json``).
        images: the folder of its ``file_name``; empty for the root itself.
        only: a list of pictures, a name or path a line, its ending left out or not, to take just
            those.
        classes: what a class is called, its category's id or its name. JSONs of one data set that
            number their categories otherwise are read by name.
        bbox: what its four numbers are; "auto" is what COCO says, x y width height, but refused
            where all boxes of a JSON speak for corners.
        crowd: whether boxes with ``iscrowd`` are difficult; "auto" are those that CVAT did not
            write, which sets it for every mask.
        alone: whether no other JSON has pictures in the folder: those not listed are counted.
    """

    json: str
    images: str
    only: str = ""
    classes: Literal["ids", "names"] = "ids"
    bbox: Literal["auto", "xywh", "xyxy"] = "auto"
    crowd: Literal["auto", "difficult", "plain"] = "auto"
    alone: bool = False


class CocoImage(msgspec.Struct, gc=False):
    """A picture; without ``width`` and ``height`` its file says them."""

    id: Id
    file_name: str = ""
    width: Side = None
    height: Side = None


class CocoAnnotation(msgspec.Struct, gc=False):
    """A box as it is read; ``bbox`` are x, y, width, height, which are looked at apart."""

    image_id: Id
    category_id: Id
    bbox: msgspec.Raw = NOTHING
    id: Id = -1
    iscrowd: int | bool | None = 0
    attributes: msgspec.Raw = NOTHING


class PlainAnnotation(msgspec.Struct, gc=False):
    """The same where ``bbox`` is as it should be, as nearly always."""

    image_id: Id
    category_id: Id
    bbox: tuple[float, float, float, float]
    id: Id = -1
    iscrowd: int | bool | None = 0
    attributes: msgspec.Raw = NOTHING


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


class CocoInstances(msgspec.Struct):
    """Pictures and boxes of an instances JSON."""

    images: list[CocoImage]
    annotations: list[msgspec.Raw] | None = None  # views: as objects they take twice the memory
    info: msgspec.Raw = NOTHING


class RawInstances(msgspec.Struct):
    """The same before anything in it is looked at."""

    images: list[msgspec.Raw] = []
    annotations: list[msgspec.Raw] | None = None
    info: msgspec.Raw = NOTHING


class CocoParts(msgspec.Struct):
    """The parts of an instances JSON, none of them looked into."""

    images: msgspec.Raw = NOTHING
    annotations: msgspec.Raw = NOTHING
    categories: msgspec.Raw = NOTHING
    info: msgspec.Raw = NOTHING


class OwnSize(msgspec.Struct):
    """A picture's size in its own JSON."""

    width: Side = None
    height: Side = None


class OwnAnnotation(msgspec.Struct):
    """A box in its picture's own JSON."""

    category_id: int
    bbox: msgspec.Raw = NOTHING
    iscrowd: int | bool | None = 0
    segmentation: msgspec.Raw = NOTHING


class OwnJson(msgspec.Struct):
    """One picture's own JSON: ``{"image": {"width", "height"}, "annotation": [{"bbox", …}]}``."""

    annotation: list[OwnAnnotation]
    image: OwnSize = msgspec.field(default_factory=OwnSize)
