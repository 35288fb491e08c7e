"""YOLO: ``images/<split>/``, ``labels/<split>/`` and a ``data.yaml``, as Ultralytics reads them.

``<split>.txt`` lists the pictures in the records' order, and is what ``data.yaml`` names. The
classes are the labelmap's in its order without the background, by the names that people read.
``difficult`` is lost: a line has no place for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import yaml

from ssd_data.core.boxes import clip, is_empty
from ssd_data.core.errors import InputError, UsageError
from ssd_data.core.images import probe, without_orientation
from ssd_data.core.labelmap import LabelMap
from ssd_data.core.structures import Boxes, Labels
from ssd_data.data.formats.splits import Role, role
from ssd_data.data.formats.writing import (
    ROUNDED,
    PictureFile,
    Target,
    append,
    is_safe,
    place,
    plain_names,
    with_ending,
)
from ssd_data.data.formats.yolo.decimals import centres
from ssd_data.data.formats.yolo.places import PICTURE_FOLDERS
from ssd_data.data.formats.yolo.schema import DATA, HIGH, IMAGES, LABELS, LINE, LOW, NO_SPLITS
from ssd_data.data.lmdb.records import Record

DIFFICULT = "difficult is lost (YOLO's lines have no place for it)"
CUT = "box cut at the picture's border (YOLO's readers refuse what leaves it so far)"
OUTSIDE = "box outside its picture left out (YOLO's readers refuse it)"
INVERTED = "box with exchanged corners left out (YOLO's readers refuse it)"
TWICE = "box stands twice (YOLO's readers take it once)"
TURNED = "EXIF orientation set to 1 (boxes are of the picture as it is stored)"
_KEYS: dict[Role, str] = {"trainval": "train", "train": "train", "val": "val", "test": "test"}
_HEAD = """\
# Made by ssd-data export. Ultralytics wants both train and val: above two exports, A and B, write a
# data.yaml with train: A/train.txt, val: B/val.txt and these names.
"""


class YoloWriter:
    """Writes a folder that Ultralytics trains on; holds nothing of the records it has written.

    Raises:
        InputError: a class name is no plain text.
        UsageError: the split has the name of a folder or key that the layout needs.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self.key = _key(target.split)
        self.labelmap = _own_labelmap(target.labelmap)
        self._list = target.folder / f"{target.split}.txt"

    def add(self, index: int, record: Record, picture: PictureFile) -> str:
        """Write a picture, its txt and its line in the list.

        Returns:
            its path below the root.
        """
        target = self.target
        picture = self._upright(record, picture)
        text = "".join(self._lines(record)).encode()
        for name in self._names(record.image, picture.kind, index):
            image = f"{IMAGES}/{target.split}/{name}"
            label = f"{LABELS}/{target.split}/{name.rpartition('.')[0]}.txt"
            if place(target.folder, {label: text, image: picture.data}):
                break
        append(self._list, f"./{image}\n".encode())
        return image

    def _upright(self, record: Record, picture: PictureFile) -> PictureFile:
        """The same picture without an orientation, by which readers would turn it and not boxes."""
        info = probe(picture.data, record.key, 1 << 62)
        if info.orientation == 1:
            return picture
        self.target.notes.add(TURNED, record.key)
        return PictureFile(without_orientation(picture.data, info), picture.kind)

    def _names(self, image: str, kind: str, index: int) -> Iterator[str]:
        """Paths below the split's folder: what stands behind ``images/`` and the split's name."""
        name = f"/{with_ending(image, kind)}".rpartition(f"/{IMAGES}/")[2].lstrip("/")
        name = name.removeprefix(f"{self.target.split}/")
        folders = name.lower().split("/")[:-1]
        if is_safe(name) and not set(folders) & set(PICTURE_FOLDERS):
            yield name
        yield from plain_names(image, kind, index)

    def _lines(self, record: Record) -> Iterator[str]:
        boxes, kept = self._held(record)
        values, exact = centres(boxes)
        seen: set[str] = set()
        for index in kept.tolist():
            where = f"{record.key}: box {index}"
            numbers = " ".join(_decimal(value) for value in values[index])
            line = f"{int(record.labels[index]) - 1} {numbers}\n"
            for lost, kind in (
                (not exact[index], ROUNDED),
                (line in seen, TWICE),
                (record.difficult[index], DIFFICULT),
            ):
                if lost:
                    self.target.notes.add(kind, where)
            seen.add(line)
            yield line

    def _held(self, record: Record) -> tuple[Boxes, Labels]:
        """The boxes as they can be written, float32 (N, 4), and the indices of those that can."""
        boxes = record.boxes.copy()
        values, _ = centres(boxes)
        inverted = (values[:, 2:] < 0).any(axis=1)
        far = ((values < LOW) | (values > HIGH)).any(axis=1) & ~inverted
        boxes[far] = clip(boxes[far])
        gone = far & is_empty(boxes)
        for which, kind in ((inverted, INVERTED), (far & ~gone, CUT), (gone, OUTSIDE)):
            for index in np.flatnonzero(which):
                self.target.notes.add(kind, f"{record.key}: box {index}")
        return boxes, np.flatnonzero(~inverted & ~gone).astype(np.int32)

    def finish(self) -> None:
        """Write ``data.yaml``."""
        names = {item.label - 1: item.name for item in self.labelmap if item.label > 0}
        names = dict(sorted(names.items()))
        table = {self.key: self._list.name, "names": names, "line": LINE}
        text = yaml.safe_dump(table, allow_unicode=True, sort_keys=False, width=1000)
        append(self.target.folder / DATA, f"{_HEAD}{text}".encode())

    def command(self, out: Path) -> list[str]:
        """Builds the folder with nothing shuffled or left out; its labelmap is found there."""
        folder = str(out) if "/" in str(out) else f"./{out}"  # a bare name could be a recipe's
        return [folder, "--split", self.key, "--no-shuffle", "--empty", "keep"]


def _key(split: str) -> str:
    """What a split is called in ``data.yaml``, where Ultralytics knows three words."""
    known = role(split)
    if split.lower() in (*PICTURE_FOLDERS, DATA) or (known is None and split in NO_SPLITS):
        raise UsageError(f'a split cannot be called "{split}"', where="--split")
    return _KEYS[known] if known else split


def _own_labelmap(labelmap: LabelMap) -> LabelMap:
    """The labelmap by which the classes are read back: its names are those of ``data.yaml``."""
    items = sorted((item for item in labelmap if item.label > 0), key=lambda item: item.label)
    shown = [item.display_name or item.name for item in items]
    names = shown if len(set(shown)) == len(shown) else [item.name for item in items]
    for name in names:
        if not name or not name.isprintable() or name != name.strip():
            raise InputError(
                f"the class name {name!r} cannot be read back from {DATA}",
                where=labelmap.origin,
                hint="Names must be plain text without spaces at their ends",
            )
    if names == [item.name for item in items]:
        return labelmap
    return LabelMap.from_names(names)


def _decimal(value: float) -> str:
    """The shortest decimals of a number, without an exponent, which not all readers know."""
    return np.format_float_positional(value, trim="-")


WRITER = YoloWriter
