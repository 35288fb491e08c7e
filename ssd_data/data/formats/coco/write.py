"""COCO: pictures of a split in one folder, ``annotations/instances_<split>.json`` for all of them.

A category's id is the class's name where all names are numbers, as in COCO's own labelmap, else its
label. ``difficult`` becomes ``iscrowd``; there are no segmentations. The image ids are those of
the build's ``<split>_name_size.txt`` where it has a number for each record, else 1, 2, …
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from ssd_data.core.errors import UsageError
from ssd_data.core.files.paths import read_lines
from ssd_data.core.labelmap import LabelMap
from ssd_data.data.formats.coco.schema import (
    FOLDER,
    CocoCategory,
    CocoImage,
    NewAnnotation,
    instances_file,
)
from ssd_data.data.formats.pixels import xywh
from ssd_data.data.formats.writing import (
    PictureFile,
    Target,
    append,
    is_safe,
    note_rounded,
    place,
    plain_names,
    with_ending,
)
from ssd_data.data.lmdb.manifest import LABELMAP
from ssd_data.data.lmdb.records import Record

_ID = re.compile(r"0|[1-9][0-9]{0,17}")


_encode = msgspec.json.Encoder().encode


class CocoWriter:
    """Writes a COCO folder; boxes go straight to the JSON, only a line a picture is held.

    Raises:
        UsageError: the split has the name of a file or folder that the layout needs.
    """

    def __init__(self, target: Target) -> None:
        if target.split in (FOLDER, LABELMAP):
            raise UsageError(f'a split cannot be called "{target.split}"', where="--split")
        self.target = target
        self._categories = _category_ids(target.labelmap)
        self.labelmap = _own_labelmap(target.labelmap, self._categories)
        self._ids = _image_ids(target)
        self._boxes = 0
        self._images: list[bytes] = []
        self._file = target.folder / instances_file(target.split)
        append(self._file, b'{"info":{"description":"made by ssd-data export"},"licenses":[],\n')
        append(self._file, b'"annotations":[')

    def add(self, index: int, record: Record, picture: PictureFile) -> str:
        """Write a picture and its annotations.

        Returns:
            its path below the root.
        """
        target = self.target
        for name in self._file_names(record.image, picture.kind, index):
            if place(target.folder, {f"{target.split}/{name}": picture.data}):
                break
        image = CocoImage(self._ids[index], name, record.width, record.height)
        self._images.append(_encode(image))
        lines = [
            (b",\n" if annotation.id > 1 else b"\n") + _encode(annotation)
            for annotation in self._annotations(record, image.id)
        ]
        append(self._file, b"".join(lines))
        return f"{target.split}/{name}"

    def _annotations(self, record: Record, image_id: int) -> Iterator[NewAnnotation]:
        values, exact = xywh(record.boxes, record.width, record.height)
        note_rounded(self.target.notes, record, exact)
        rows = zip(record.labels.tolist(), values.tolist(), record.difficult.tolist(), strict=True)
        for label, box, difficult in rows:
            self._boxes += 1
            category, area = self._categories[label], box[2] * box[3]
            yield NewAnnotation(self._boxes, image_id, category, box, area, int(difficult))

    def _file_names(self, image: str, kind: str, index: int) -> Iterator[str]:
        name = with_ending(image.removeprefix(f"{self.target.split}/"), kind)
        if is_safe(name):
            yield name
        yield from plain_names(image, kind, index)

    def finish(self) -> None:
        """Write the images and categories behind the annotations."""
        categories = [
            _encode(CocoCategory(self._categories[item.label], item.display_name or item.name))
            for item in self.target.labelmap
            if item.label > 0
        ]
        append(self._file, b'\n],\n"images":[\n' + b",\n".join(self._images))
        append(self._file, b'\n],\n"categories":[\n' + b",\n".join(categories) + b"\n]}\n")

    def command(self, out: Path) -> list[str]:
        """Builds the folder with nothing shuffled or left out; its labelmap is found there."""
        # A bare name could be a recipe's.
        folder = str(out) if "/" in str(out) else f"./{out}"
        return [folder, "--split", self.target.split, "--no-shuffle", "--empty", "keep"]


def _category_ids(labelmap: LabelMap) -> dict[int, int]:
    """The category id of each label."""
    items = [item for item in labelmap if item.label > 0]
    if all(_ID.fullmatch(item.name) for item in items):
        return {item.label: int(item.name) for item in items}
    return {item.label: item.label for item in items}


def _own_labelmap(labelmap: LabelMap, categories: dict[int, int]) -> LabelMap:
    """The labelmap by which the categories are read back: its names are their ids."""
    items = {item.label: item for item in labelmap}
    if all(items[label].name == str(number) for label, number in categories.items()):
        return labelmap
    labels = sorted(categories)
    shown = [items[label].display_name or items[label].name for label in labels]
    return LabelMap.from_names([str(categories[label]) for label in labels], shown)


def _image_ids(target: Target) -> Sequence[int]:
    """The ids that the build's size file states, if it is there and fits."""
    numbered = range(1, target.count + 1)
    if target.sizes is None:
        return numbered
    rows = [line.split(" ") for line in read_lines(target.sizes, "size file")]
    stated = [row[0].lstrip("0") or "0" for row in rows if len(row) == 3]
    if len(rows) != target.count or len(stated) != target.count:
        return numbered
    if len(set(stated)) != target.count or not all(_ID.fullmatch(name) for name in stated):
        return numbered
    return [int(name) for name in stated]


WRITER = CocoWriter
