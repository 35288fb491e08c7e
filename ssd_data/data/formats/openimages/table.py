"""The boxes of a CSV as columns, of the pictures that are there only: 33 bytes a box."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import below
from ssd_data.core.notes import Tally
from ssd_data.data.formats.numbers import number
from ssd_data.data.formats.openimages.schema import (
    CONFIDENCE,
    GROUP,
    NEEDED,
    columns_of,
    rows_of,
)
from ssd_data.data.formats.pictures import has_picture_ending, stem_of

Column = npt.NDArray[Any]
_TRUE, _FALSE, _UNKNOWN = ("1", "1.0", "true", "True"), ("0", "0.0", "false", "False", ""), ("-1",)
_FLAGS = dict.fromkeys(_TRUE, 1) | dict.fromkeys(_FALSE, 0) | dict.fromkeys((*_UNKNOWN, "-1.0"), -1)
_LOW, _HIGH = -1.0, 2.0  # fractions may leave the picture, by no more than its own size
ABSENT = "picture of the CSV that is not here (left out)"
ELSEWHERE = "picture of the CSV that lies in another folder (left out)"
UNKNOWN_GROUP = "IsGroupOf unknown (-1, taken as no)"
NO_OBJECT = "row of Confidence 0, where no object is (left out)"
UNSURE = "row with a Confidence below 1 (kept: is it an annotation, or a detection?)"


class CsvBoxes:
    """The boxes of a CSV, sorted by picture.

    Attributes:
        order: the pictures that have rows, as they come in the CSV; indices.
        labels: the codes of the classes.
        errors: the first that is wrong of a picture.
        notes: what is odd, by picture.
    """

    def __init__(self, name: str, pictures: Mapping[str, int]) -> None:
        self.name, self._pictures = name, pictures
        self.order: list[int] = []
        self.labels: list[str] = []
        self.errors: dict[int, InputError] = {}
        self.notes: dict[int, Tally] = {}
        self._codes: dict[str, int] = {}
        self._owner, self._label, self._line = array("i"), array("i"), array("q")
        self._boxes, self._group = array("f"), array("b")

    def read(self, root: Path, notes: Tally) -> None:
        """Read all rows.

        Args:
            notes: take what is said of pictures that are not here.

        Raises:
            InputError: the header lacks a column, a row is short, or boxes are in pixels.
        """
        seen: set[int] = set()
        with rows_of(below(root, self.name), self.name) as rows:
            columns = columns_of(next(rows, []))
            if columns is None:
                hint = f"The header names {', '.join(NEEDED)}"
                raise InputError("not Open Images' boxes", where=f"{self.name}:1", hint=hint)
            width, of_image = max(columns.values()) + 1, columns["imageid"]
            left: set[str] = set()
            for row in rows:
                if len(row) < width:
                    self._require_blank(row, width, rows.line_num)  # type: ignore[attr-defined]
                    continue
                image = row[of_image]
                if image in left:
                    continue
                picture = self._picture(image, notes)
                if picture < 0:
                    left.add(image)
                    continue
                if picture not in seen:
                    seen.add(picture)
                    self.order.append(picture)
                self._add(picture, row, columns, rows.line_num)  # type: ignore[attr-defined]
        self._sort()

    def _picture(self, image: str, notes: Tally) -> int:
        """The index of a picture; below 0, counted, where it is not to be read."""
        found = self._pictures.get(image)
        if found is None and has_picture_ending(image):
            found = self._pictures.get(stem_of(image))
        if found is None or found < 0:
            notes.add(ABSENT if found is None else ELSEWHERE, image)
            return -1
        return found

    def _add(self, picture: int, row: list[str], columns: Mapping[str, int], line: int) -> None:
        where = f"{self.name}:{line}"
        xmin, ymin, xmax, ymax = box = [number(row[columns[key]]) for key in NEEDED[2:]]
        if not all(_LOW <= value <= _HIGH for value in box):
            self._refuse(picture, box, row, columns, where)
            return
        group = _FLAGS.get(row[columns[GROUP]].strip()) if GROUP in columns else 0
        code = row[columns["labelname"]].strip()
        if group is None or not code:
            text = "no LabelName" if not code else f'IsGroupOf is "{row[columns[GROUP]]}"'
            self.errors.setdefault(picture, InputError(text, where=where))
            return
        if group < 0:
            self._note(picture, UNKNOWN_GROUP, where)
        if CONFIDENCE in columns and row[columns[CONFIDENCE]] != "1":
            sure = number(row[columns[CONFIDENCE]] or "1")
            if sure < 1:
                self._note(picture, UNSURE if sure > 0 else NO_OBJECT, where)
            if sure == 0:
                return
        label = self._codes.get(code)
        if label is None:
            label = self._codes[code] = len(self.labels)
            self.labels.append(code)
        self._owner.append(picture)
        self._label.append(label)
        self._line.append(line)
        self._group.append(group == 1)
        self._boxes.extend((xmin, ymin, xmax, ymax))

    def _refuse(
        self,
        picture: int,
        box: list[float],
        row: list[str],
        columns: Mapping[str, int],
        where: str,
    ) -> None:
        """Note the picture whose row is broken; raise where the unit is not the format's."""
        key, value = next(
            (k, v) for k, v in zip(NEEDED[2:], box, strict=True) if not _LOW <= v <= _HIGH
        )
        text = row[columns[key]][:40]
        if math.isfinite(value):
            raise InputError(
                f'{key} is "{text}", not a fraction of the picture',
                where=where,
                hint="Open Images has boxes as fractions, 0 to 1; divide pixels by the picture's "
                "width and height",
            )
        self.errors.setdefault(picture, InputError(f'{key} is "{text}", not a number', where=where))

    def _require_blank(self, row: list[str], width: int, line: int) -> None:
        if any(word.strip() for word in row):
            text = f"a row of {len(row)} values, where the header has at least {width}"
            raise InputError(text, where=f"{self.name}:{line}")

    def _note(self, picture: int, kind: str, where: str) -> None:
        self.notes.setdefault(picture, Tally()).add(kind, where)

    def _sort(self) -> None:
        owner = np.frombuffer(self._owner, np.int32)
        order = np.argsort(owner, kind="stable")
        # Found at once: one by one, NumPy would convert the whole column for each.
        pictures = np.arange(max(self.order, default=-1) + 2, dtype=np.int32)
        self._starts: list[int] = np.searchsorted(owner[order], pictures).tolist()
        self.label: Column = np.frombuffer(self._label, np.int32)[order]
        self.line: Column = np.frombuffer(self._line, np.int64)[order]
        self.group: Column = np.frombuffer(self._group, np.bool_)[order]
        self.boxes: Column = np.frombuffer(self._boxes, np.float32).reshape(-1, 4)[order]

    def rows(self, picture: int) -> slice:
        """Where a picture's boxes are in the columns."""
        return slice(self._starts[picture], self._starts[picture + 1])
