"""The boxes of a file as columns, and its pictures."""

from __future__ import annotations

from array import array
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import below
from ssd_data.core.structures import Boxes
from ssd_data.data.formats.huggingface.objects import (
    Keys,
    RowError,
    UnknownKeyError,
    keys_of,
    objects_of,
)
from ssd_data.data.formats.huggingface.rows import PICTURE, Row, numbered_rows, picture_name

Column = npt.NDArray[Any]
MOST_BROKEN = 1000
SIZE = ("width", "height")


def sample_keys(path: Path, name: str, most: int | None = None) -> Keys | None:
    """The keys of a file's boxes, by its first row with boxes; None where there is none.

    Args:
        most: so many rows are looked at.

    Raises:
        InputError: the file is absent or broken, or the class's key is not known.
    """
    try:
        return keys_of(row for _, row in islice(numbered_rows(path, name), most))
    except UnknownKeyError as error:
        error.where = name
        raise


class ObjectTable:
    """All rows of a file, the boxes as they stand there.

    Attributes:
        pictures: how rows name their pictures, empty where they do not.
        place: the line or row of each picture.
        classes: names or numbers. errors: what is wrong of a picture, by its index.
        bare: the pictures without annotation.
        width, height: what is stated of each picture, else 0.
        owner, label, hard: picture, class and crowd of each box; numbers: float32 (N, 4).
    """

    def __init__(self, root: Path, name: str, keys: Keys) -> None:
        self.name, self.keys = name, keys
        self.pictures: list[str] = []
        self.classes: list[int | str] = []
        self.errors: dict[int, InputError] = {}
        self.bare: set[int] = set()
        self._labels: dict[int | str, int] = {}
        self.place, self._sides = array("q"), array("i")
        self._owner, self._label = array("i"), array("i")
        self._hard, self._numbers = array("b"), array("f")
        for place, row in numbered_rows(below(root, name), name, self._columns()):
            self._add(place, row)
        self._finish()

    def _columns(self) -> tuple[str, ...]:
        """The columns that say anything of pictures and boxes."""
        keys = self.keys
        own = (keys.container,) if keys.container else (keys.box, keys.label, keys.crowd)
        return (*own, *SIZE, *PICTURE)

    def _add(self, place: int, row: Row) -> None:
        picture = len(self.pictures)
        self.pictures.append(picture_name(row))
        self.place.append(place)
        self._sides.extend(_side(row.get(key)) for key in SIZE)
        try:
            objects = objects_of(row, self.keys)
        except RowError as error:
            self.errors[picture] = InputError(str(error), where=self.where(picture))
            if len(self.errors) > MOST_BROKEN:
                first = next(iter(self.errors.values()))
                text = f"more than {MOST_BROKEN:,} rows are broken, such as: {first.what}"
                raise InputError(text, where=first.where) from None
            return
        if objects is None:
            self.bare.add(picture)
            return
        for found in objects:
            label = self._labels.get(found.label)
            if label is None:
                label = self._labels[found.label] = len(self.classes)
                self.classes.append(found.label)
            self._owner.append(picture)
            self._label.append(label)
            self._hard.append(found.crowd)
            self._numbers.extend(found.box)

    def _finish(self) -> None:
        self.owner: Column = np.frombuffer(self._owner, np.int32)
        self.label: Column = np.frombuffer(self._label, np.int32)
        self.hard: Column = np.frombuffer(self._hard, np.bool_)
        self.numbers: Boxes = np.frombuffer(self._numbers, np.float32).reshape(-1, 4)
        self.sizes: Column = np.frombuffer(self._sides, np.int32).reshape(-1, 2)
        self._starts = np.searchsorted(
            self.owner, np.arange(len(self.pictures) + 1, dtype=np.int32)
        )

    def where(self, picture: int) -> str:
        """The line or row of a picture."""
        kind = ": row " if self.name.endswith(".parquet") else ":"
        return f"{self.name}{kind}{self.place[picture]}"

    def rows(self, picture: int) -> slice:
        """Where a picture's boxes are in the columns."""
        return slice(int(self._starts[picture]), int(self._starts[picture + 1]))


def _side(value: object) -> int:
    """A picture's width or height; 0 where none is stated."""
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        value = int(value[:12])
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and 0 <= value < 2**31 else 0
