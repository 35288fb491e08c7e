"""Pascal VOC: pictures, one XML each, and the lists of names.

``<split>.txt`` lists all records in order with their annotations. Where a key has a ``JPEGImages``
folder its path is kept, and each such folder gets its own ``Annotations`` and ``ImageSets`` beside
it; other pictures lie in one ``JPEGImages``, the folders of their paths joined with ``_``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lxml import etree

from ssd_data.core.errors import InputError
from ssd_data.core.labelmap import LabelMap
from ssd_data.data.formats.pairlists import line_of
from ssd_data.data.formats.pixels import Floats, corners
from ssd_data.data.formats.voc.schema import ANNOTATIONS, CORNERS, IMAGES, SETS, set_file
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


class VocWriter:
    """Writes a VOC tree; holds nothing of the records it has written.

    Raises:
        InputError: a class name cannot stand in XML and be read back.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self.labelmap = target.labelmap
        self._names = {item.label: item.name for item in target.labelmap if item.label > 0}
        for name in self._names.values():
            _require_plain(name, target.labelmap)

    def add(self, index: int, record: Record, picture: PictureFile) -> str:
        """Write a picture, its XML and its line in the lists.

        Returns:
            its path below the root.
        """
        target = self.target
        values, exact = corners(record.boxes, record.width, record.height)
        note_rounded(target.notes, record, exact)
        for path in self._paths(record.image, picture.kind, index):
            above, stem = _parted(path)
            annotation = f"{above}{ANNOTATIONS}/{stem}.xml"
            xml = self._xml(record, path.rpartition("/")[2], values)
            if place(target.folder, {annotation: xml, path: picture.data}):
                break
        append(self._list(target.folder), line_of(path, annotation).encode())
        names = target.folder / f"{above}{set_file(target.split)}"
        append(names, f"{stem}\n".encode())
        return path

    def _paths(self, image: str, kind: str, index: int) -> Iterator[str]:
        path = with_ending(image, kind)
        if f"/{IMAGES}/" in f"/{path}" and is_safe(path):
            above, _ = _parted(path)
            ours = {ANNOTATIONS, SETS, LABELMAP, f"{self.target.split}.txt"}
            if not ours & set(above.split("/")):
                yield path
        for name in plain_names(image, kind, index):
            yield f"{IMAGES}/{name}"

    def _xml(self, record: Record, name: str, values: Floats) -> bytes:
        root = etree.Element("annotation")
        _add(root, "filename", name)
        size = etree.SubElement(root, "size")
        for tag in ("width", "height"):
            _add(size, tag, str(getattr(record, tag)))
        _add(size, "depth", str(record.channels))
        rows = zip(record.labels.tolist(), record.difficult, values.tolist(), strict=True)
        for label, difficult, box in rows:
            element = etree.SubElement(root, "object")
            _add(element, "name", self._names[label])
            _add(element, "difficult", str(int(difficult)))
            bndbox = etree.SubElement(element, "bndbox")
            for tag, value in zip(CORNERS, box, strict=True):
                _add(bndbox, tag, repr(value).removesuffix(".0"))
        return etree.tostring(root, encoding="UTF-8", pretty_print=True)

    def finish(self) -> None:
        """Nothing is left to write."""

    def command(self, out: Path) -> list[str]:
        """Builds from the list, which keeps the records' order and paths."""
        labelmap = str(out / LABELMAP)
        return ["--list", str(self._list(out)), "--root", str(out), "--labelmap", labelmap]

    def _list(self, folder: Path) -> Path:
        return folder / f"{self.target.split}.txt"


def _parted(path: str) -> tuple[str, str]:
    """What stands before the first ``JPEGImages``, and the name behind it without ending."""
    above, _, name = f"/{path}".partition(f"/{IMAGES}/")
    return f"{above}/"[1:], name.rpartition(".")[0]


def _add(parent: etree._Element, tag: str, text: str) -> None:
    etree.SubElement(parent, tag).text = text


def _require_plain(name: str, labelmap: LabelMap) -> None:
    try:
        etree.Element("name").text = name
    except ValueError:
        name = ""
    if not name or name != name.strip():
        raise InputError(
            f"the class name {name!r} cannot be read back from XML",
            where=labelmap.origin,
            hint="Names must be plain text without spaces at their ends",
        )


WRITER = VocWriter
