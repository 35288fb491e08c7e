"""WIDER FACE: one list for all pictures, rows of ``x y w h`` and six attributes a face.

``xmax = x + w``, ``ymax = y + h``; ``invalid`` faces are difficult.
A picture without faces is written in two ways, both read: a count of 0 with or without a row of
zeros behind it, and a count of 1 with a row of zeros.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import numpy.typing as npt

from ssd_data.core.boxes import from_xywh
from ssd_data.core.errors import InputError
from ssd_data.core.files.inside import read_lines
from ssd_data.core.files.paths import below, require_below
from ssd_data.core.files.there import is_file
from ssd_data.core.notes import Tally
from ssd_data.core.structures import AnnotatedImage, Entry
from ssd_data.data.formats import Format, Recognised
from ssd_data.data.formats.numbers import FAR
from ssd_data.data.formats.tree import Tree
from ssd_data.data.formats.widerface.schema import LISTS, images_folder, list_file

LAYOUT = """\
wider_face_split/wider_face_train_bbx_gt.txt
wider_face_split/wider_face_val_bbx_gt.txt
WIDER_train/images/<event>/<picture>.jpg
WIDER_val/images/<event>/<picture>.jpg"""
ATTRIBUTES = ("blur", "expression", "illumination", "invalid", "occlusion", "pose")
WIDTH = 10  # of a row: the box and the attributes
CLASS = "face"
_Number = Annotated[float, msgspec.Meta(gt=-FAR, lt=FAR)]
_Row = Annotated[list[_Number], msgspec.Meta(min_length=WIDTH, max_length=WIDTH)]
_decode = msgspec.json.Decoder(list[_Row]).decode


class WiderFaceSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A list of faces.

    Attributes:
        list: the file below the root (``wider_face_split/wider_face_train_bbx_gt.txt``).
        images: the folder that its paths start from.
    """

    list: str
    images: str


def recognise(tree: Tree) -> Recognised[WiderFaceSource] | None:
    """The splits whose list lies in ``wider_face_split``."""
    found: dict[str, list[WiderFaceSource]] = {}
    for split in ("train", "val"):
        if is_file(tree.path(list_file(split))):
            found[split] = [WiderFaceSource(list_file(split), images_folder(split))]
    return Recognised(found, f"{LISTS} has its lists") if found else None


def indexed(tree: Tree, name: str) -> Recognised[WiderFaceSource] | None:
    """The split of one list."""
    for split in ("train", "val"):
        if name == list_file(split):
            source = WiderFaceSource(name, images_folder(split))
            return Recognised({split: [source]}, f"{name} is its list")
    return None


def read(root: Path, source: WiderFaceSource, notes: Tally) -> Iterator[Entry]:
    """The pictures of one list, in its order.

    Raises:
        InputError: the list is cut short or its counts do not fit its rows.
    """
    name = source.list
    lines = _Lines(read_lines(below(root, name), "list of faces"), name)
    while (found := lines.picture()) is not None:
        line, picture = found
        image = f"{source.images}/{picture}"
        require_below(root, image, f"{name}:{line}")
        yield _image(image, name, lines.faces(picture), line + 2)


def _image(image: str, name: str, faces: list[list[float]], first: int) -> AnnotatedImage:
    """The picture whose faces stand from line ``first`` on."""
    if not faces:
        return AnnotatedImage(image, name)
    rows = np.array(faces, np.float32)
    attributes: dict[str, npt.NDArray[np.int8]] = {}
    difficult = np.zeros(len(faces), np.bool_)
    if len(faces[0]) == WIDTH:
        values = rows[:, 4:].clip(-128, 127).astype(np.int8)
        attributes = dict(zip(ATTRIBUTES, values.T, strict=True))
        difficult = attributes["invalid"] == 1
    return AnnotatedImage(
        image=image,
        annotation=name,
        classes=(CLASS,) * len(faces),
        boxes=from_xywh(rows[:, :4]),
        difficult=difficult,
        places=tuple(range(first, first + len(faces))),
        attributes=attributes,
    )


class _Lines:
    """Reads the list line by line; every error names its line."""

    def __init__(self, lines: list[str], name: str) -> None:
        self.lines = [line.strip() for line in lines]
        self.name = name
        self.at = 0

    def picture(self) -> tuple[int, str] | None:
        """Line number and path of the next picture, None at the end."""
        while self.at < len(self.lines) and not self.lines[self.at]:
            self.at += 1
        if self.at == len(self.lines):
            return None
        picture = self.lines[self.at]
        if _row(picture) is not None:
            raise self._error(f'a picture\'s path should stand here, found "{picture}"')
        self.at += 1
        return self.at, picture

    def faces(self, picture: str) -> list[list[float]]:
        """The values of each face of the picture whose count comes next."""
        count = self._count(picture)
        rows = _plain_rows(self.lines[self.at : self.at + count])
        if count and len(rows) == count:
            self.at += count
        else:
            rows = self._careful_rows(count, picture)
        nothing = count <= 1 and not any(any(row) for row in rows)
        return [] if nothing else rows

    def _careful_rows(self, count: int, picture: str) -> list[list[float]]:
        """Row by row, so that an error can name its line."""
        rows: list[list[float]] = []
        for done in range(max(count, 1)):
            row = _row(self.lines[self.at]) if self.at < len(self.lines) else None
            if count == 0 and (row is None or any(row)):
                break  # no row of zeros behind the 0
            if row is None or len(row) < 4:
                raise self._error(f"{count} faces are announced for {picture}, {done} rows follow")
            if not all(abs(value) < FAR for value in row):
                raise self._error("a value is not a number")
            if len(row) not in (4, WIDTH) or (rows and len(row) != len(rows[0])):
                raise self._error(f"a face's row has 10 values (or 4), this one {len(row)}")
            self.at += 1
            rows.append(row)
        return rows

    def _count(self, picture: str) -> int:
        text = self.lines[self.at] if self.at < len(self.lines) else "the end of the file"
        if not (text.isascii() and text.isdecimal() and len(text) < 10):
            raise self._error(f"the number of faces of {picture} should stand here, found {text!r}")
        self.at += 1
        return int(text)

    def _error(self, what: str) -> InputError:
        return InputError(
            what,
            where=f"{self.name}:{self.at + 1}",
            hint="The list is cut short or was edited; take it from the original archive",
        )


def _plain_rows(lines: list[str]) -> list[list[float]]:
    """Rows of ten numbers, which are JSON but for the commas; none where any row is not that."""
    text = "|".join(lines)
    try:
        return [] if "," in text else _decode(f"[[{text.replace(' ', ',').replace('|', '],[')}]]")
    except msgspec.MsgspecError:
        return []


def _row(line: str) -> list[float] | None:
    """The numbers of a face's row, None where the line is no such row."""
    try:
        return list(map(float, line.split())) if line and "_" not in line else None
    except ValueError:
        return None


FORMAT = Format(
    WiderFaceSource,
    read,
    needs=lambda source: [source.list, source.images],
    layout=LAYOUT,
    recognise=recognise,
    classes=lambda root, source: [(CLASS, CLASS)],
    indexed=indexed,
)
