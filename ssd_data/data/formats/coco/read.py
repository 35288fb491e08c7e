"""COCO: one instances JSON for all pictures; also the original's one JSON a picture.

A class is the category's id as a string, as in Caffe's COCO labelmap; ``iscrowd`` is difficult.
"""

from __future__ import annotations

import mmap
from array import array
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from ssd_data.core.boxes import from_xywh
from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import below, read_lines, require_below
from ssd_data.core.notes import Tally
from ssd_data.core.structures import AnnotatedImage, Entry, Unreadable
from ssd_data.data.formats import AnnotationFile, Format, Recognised
from ssd_data.data.formats.coco.schema import (
    FOLDER,
    CocoAnnotation,
    CocoCategories,
    CocoImage,
    CocoInstances,
    OwnJson,
    RawInstances,
    instances_file,
)
from ssd_data.data.formats.numbers import FAR

LAYOUT = """\
annotations/instances_<split>.json
<split>/<file_name>    (or images/<split>/<file_name>)"""
NEWLINE = b"\n"
_T = TypeVar("_T")


_decode_annotation = msgspec.json.Decoder(CocoAnnotation).decode
_decode_bbox = msgspec.json.Decoder(tuple[float, float, float, float]).decode


class CocoSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An instances JSON.

    Attributes:
        json: the file below the root (``annotations/instances_train2017.json``).
        images: the folder of its ``file_name``.
        only: a list of picture names without ending, to take just those.
    """

    json: str
    images: str
    only: str = ""


def recognise(folder: Path) -> Recognised[CocoSource] | None:
    """The splits whose ``instances_*.json`` lies in ``annotations``."""
    found: dict[str, list[CocoSource]] = {}
    for path in sorted((folder / FOLDER).glob("instances_*.json")):
        split = path.stem.removeprefix("instances_")
        places = [f"{split}", f"images/{split}", "images"]
        images = next((place for place in places if (folder / place).is_dir()), None)
        if images:
            found[split] = [CocoSource(instances_file(split), images)]
    return Recognised(found, f"{FOLDER} has instances_*.json") if found else None


def needs(source: CocoSource) -> list[str]:
    """The paths below the root that a source cannot do without."""
    return [source.json, source.images, *filter(None, [source.only])]


def classes(root: Path, source: CocoSource) -> list[tuple[str, str]]:
    """The categories by their id: the id as a string and the name."""
    found = _decode_file(below(root, source.json), CocoCategories, source.json).categories
    return [(str(c.id), c.name) for c in sorted(found, key=lambda c: c.id)]


def read(root: Path, source: CocoSource, notes: Tally) -> Iterator[Entry]:
    """The pictures of an instances JSON in its order, each with its boxes in the file's order.

    Raises:
        InputError: the JSON is malformed, lacks a key, or an image id stands twice.
    """
    name = source.json
    instances = _decode_file(below(root, name), CocoInstances, name)
    images = instances.images
    if len({image.id for image in images}) < len(images):
        raise InputError("an image id stands twice", where=f"{name}: image {_twice(images)}")
    if source.only:
        wanted = {line.strip() for line in read_lines(below(root, source.only), "list")}
        images = [image for image in images if image.file_name.rpartition(".")[0] in wanted]
    table = _Table(instances, name, notes)
    del instances
    for image in images:
        path = f"{source.images}/{image.file_name}"
        try:
            require_below(root, path, f"{name}: image {image.id}")
            yield table.image(image, path)
        except InputError as error:
            yield Unreadable(path, name, error)


def _twice(images: list[CocoImage]) -> int:
    (twice, _), *_ = Counter(image.id for image in images).most_common(1)
    return twice


def _columns(annotations: list[msgspec.Raw], name: str) -> list[npt.NDArray[Any]]:
    """Image, category, id, crowd and four numbers a box; ``annotations`` is emptied."""
    owner, category, id_, crowd = (array(kind) for kind in "qqqb")
    boxes: array[float] = array("f")
    for index, raw in enumerate(annotations):
        try:
            annotation = _decode_annotation(raw)
        except msgspec.ValidationError as error:
            raise _misfit(error, f"{name}: annotations[{index}]") from None
        owner.append(annotation.image_id)
        category.append(annotation.category_id)
        id_.append(annotation.id)
        crowd.append(bool(annotation.iscrowd))
        boxes.extend(_bbox(annotation.bbox, f"{name}: annotation", annotation.id))
    annotations.clear()
    kinds = (np.int64, np.int64, np.int64, np.bool_, np.float32)
    columns: list[array[Any]] = [owner, category, id_, crowd, boxes]
    return [np.frombuffer(c, kind) for c, kind in zip(columns, kinds, strict=True)]


class _Table:
    """The annotations as arrays, sorted by image; the JSON's own objects are let go."""

    def __init__(self, instances: CocoInstances, name: str, notes: Tally) -> None:
        self.name = name
        owner, category, id_, crowd, boxes = _columns(instances.annotations, name)
        order = np.argsort(owner, kind="stable")
        self.owner, self.category, self.id = owner[order], category[order], id_[order]
        self.crowd = crowd[order]
        self.boxes = from_xywh(boxes.reshape(-1, 4)[order])
        self.classes = {int(number): str(number) for number in np.unique(category)}
        self._note(instances.images, notes)

    def _note(self, images: list[CocoImage], notes: Tally) -> None:
        known = np.fromiter((image.id for image in images), np.int64, len(images))
        for id_ in self.id[~np.isin(self.owner, known)]:
            notes.add("annotation of an image that the JSON does not list", f"{self.name}: {id_}")
        ids, counts = np.unique(self.id[self.id >= 0], return_counts=True)
        for id_ in ids[counts > 1]:
            notes.add("annotation id stands more than once", f"{self.name}: annotation {id_}")

    def image(self, image: CocoImage, path: str) -> AnnotatedImage:
        """One picture with its boxes."""
        mine = slice(
            np.searchsorted(self.owner, image.id), np.searchsorted(self.owner, image.id, "right")
        )
        return AnnotatedImage(
            image=path,
            annotation=self.name,
            classes=tuple(self.classes[n] for n in self.category[mine].tolist()),
            boxes=self.boxes[mine],
            difficult=self.crowd[mine],
            width=image.width or None,
            height=image.height or None,
            image_id=image.id,
            places=tuple(self.id[mine].tolist()),
            place_kind="annotation",
        )


def read_file(path: Path, image: str, annotation: str, notes: Tally) -> AnnotatedImage:
    """One picture's own JSON: ``{"image": {"width", "height"}, "annotation": [{"bbox", …}]}``.

    Raises:
        InputError: the file is absent, malformed, or a value is not a number.
    """
    one = _decode_file(path, OwnJson, annotation)
    places = tuple(range(len(one.annotation)))
    rows = [_bbox(a.bbox, f"{annotation}: entry", i) for i, a in enumerate(one.annotation)]
    return AnnotatedImage(
        image=image,
        annotation=annotation,
        classes=tuple(str(a.category_id) for a in one.annotation),
        boxes=from_xywh(np.array(rows, np.float32).reshape(-1, 4)),
        difficult=np.array([bool(a.iscrowd) for a in one.annotation], np.bool_),
        width=one.image.width or None,
        height=one.image.height or None,
        places=places,
        place_kind="entry",
    )


def _bbox(raw: msgspec.Raw, what: str, number: int) -> tuple[float, float, float, float]:
    try:
        x, y, width, height = box = _decode_bbox(raw)
    except msgspec.DecodeError as error:
        where = f"{what} {number}"
        raise InputError(f"bbox is not four numbers: {error}", where=where) from None
    if not (abs(x) < FAR and abs(y) < FAR and abs(width) < FAR and abs(height) < FAR):
        raise InputError("bbox is not four finite numbers", where=f"{what} {number}")
    return box


def _misfit(error: msgspec.ValidationError, where: str) -> InputError:
    return InputError(
        f"not what the format says: {error}",
        where=where,
        hint="Boxes come from instances_*.json; captions and results files are others",
    )


def _decode_file(path: Path, kind: type[_T], name: str) -> _T:
    """Decode only what ``kind`` names, straight from the file's pages, in one pass."""
    try:
        if not path.is_file():
            raise InputError("the annotation is no regular file, or missing", where=name)
        with path.open("rb") as file:
            if not path.stat().st_size:
                raise InputError("the JSON is empty", where=name)
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        raise InputError("the annotation is missing", where=name) from None
    except OSError as error:
        raise InputError(f"cannot read the JSON: {error.strerror}", where=name) from None
    view = memoryview(data)
    try:
        return msgspec.json.decode(view[3:] if data[:3] == b"\xef\xbb\xbf" else view, type=kind)
    except msgspec.ValidationError as error:
        raise _misfit(error, _locate(view, name)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"malformed JSON: {error}", where=_line(data, error, name)) from None


def _locate(view: memoryview, name: str) -> str:
    """Which image or annotation does not fit, for the error message; slow and rarely called."""
    try:
        raw = msgspec.json.decode(view, type=RawInstances)
    except msgspec.DecodeError:
        return name
    parts: list[tuple[str, list[msgspec.Raw], Any]] = [
        ("images", raw.images, CocoImage),
        ("annotations", raw.annotations, CocoAnnotation),
    ]
    for key, entries, kind in parts:
        for index, entry in enumerate(entries):
            try:
                msgspec.json.decode(entry, type=kind)
            except msgspec.DecodeError:
                return f"{name}: {key}[{index}]"
    return name


def _line(data: mmap.mmap, error: Exception, name: str) -> str:
    """``file:line`` from msgspec's ``(byte n)``."""
    if "truncated" in str(error):
        return f"{name}:{data[:].count(NEWLINE) + 1} (its end)"
    position = str(error).rpartition("(byte ")[2].rstrip(")")
    if not position.isdecimal():
        return name
    line = data[: int(position)].count(NEWLINE) + 1
    return f"{name}:{line} (byte {position})"


FORMAT = Format(
    CocoSource,
    read,
    needs,
    layout=LAYOUT,
    recognise=recognise,
    classes=classes,
    truth_file=lambda source: source.json,
)
FILE = AnnotationFile(".json", read_file, looks_like=lambda head: b'"annotation"' in head)
