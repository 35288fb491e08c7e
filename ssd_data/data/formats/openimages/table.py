"""The boxes of a CSV as columns, of the pictures that are there only: 33 bytes a box."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ssd_data.core.errors import InputError
from ssd_data.core.notes import Tally
from ssd_data.data.formats.numbers import number
from ssd_data.data.formats.openimages.schema import (
    CONFIDENCE,
    GROUP,
    NEEDED,
    box_rows,
)

Column = npt.NDArray[Any]
_TRUE, _FALSE, _UNKNOWN = ("1", "1.0", "true", "True"), ("0", "0.0", "false", "False", ""), ("-1",)
_FLAGS = dict.fromkeys(_TRUE, 1) | dict.fromkeys(_FALSE, 0) | dict.fromkeys((*_UNKNOWN, "-1.0"), -1)
_LOW, _HIGH = -1.0, 2.0  # fractions may leave the picture, by no more than its own size
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

    def __init__(self, name: str) -> None:
        self.name = name
        self.order: list[int] = []
        self.labels: list[str] = []
        self.errors: dict[int, InputError] = {}
        self.notes: dict[int, Tally] = {}
        self._codes: dict[str, int] = {}
        self._owner, self._label, self._line = array("i"), array("i"), array("q")
        self._boxes, self._group = array("f"), array("b")

    def read(self, root: Path, find: Callable[[str], int | None]) -> None:
        """Read all rows.

        Args:
            find: the index of an id's picture, None where it is not to be read; asked once each.

        Raises:
            InputError: the header lacks a column, a row is short, or boxes are in pixels.
        """
        known: dict[str, int | None] = {}
        with box_rows(root, self.name) as (columns, rows):
            width, of_image = max(columns.values()) + 1, columns["imageid"]
            for row in rows:
                if len(row) < width:
                    text = f"a row of {len(row)} values, where the header has at least {width}"
                    raise InputError(text, where=f"{self.name}:{rows.line}")
                image = row[of_image]
                try:
                    picture = known[image]
                except KeyError:
                    picture = known[image] = find(image)
                    if picture is not None:
                        self.order.append(picture)
                if picture is not None:
                    self._add(picture, row, columns, rows.line)
        self._sort()

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
