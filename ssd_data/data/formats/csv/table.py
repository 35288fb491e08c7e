"""The rows of a CSV as columns: 33 bytes a box, and its pictures."""

from __future__ import annotations

from array import array
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import below, listable
from ssd_data.core.notes import Tally
from ssd_data.core.structures import Boxes
from ssd_data.data.formats.csv.cells import CellError, Cells
from ssd_data.data.formats.csv.kinds import TableLook, look_at
from ssd_data.data.formats.csvrows import Rows, is_blank, rows_of
from ssd_data.data.formats.numbers import number

Column = npt.NDArray[Any]
MOST_BROKEN = 1000
ONLY_CLASS = "object"  # where no column names any
AGAIN = "line of the columns' names that stands again (read over)"
NOTHING = "class without any box in the whole file (taken as: no object here)"
SCORED = "row with a score below 1 (kept: is it an annotation, or a detection?)"


class CsvTable:
    """All rows of a CSV, the boxes as they are written.

    Attributes:
        pictures: the pictures as their cells name them, in the order of their first rows.
        classes: the names of the classes.
        first: the line of each picture's first row.
        splits: what the column of splits says of each picture; empty where there is none.
        width, height: what is stated of each picture, else 0.
        errors: the first that is wrong of a picture, by its index.
        boxless: where objects of a picture stand that have no box, by its index.
        owner, label, line, hard: int and bool (N,), picture, class, line and ``difficult`` of each
            box, sorted by picture; numbers: float32 (N, 4), as the layout's form says.
    """

    def __init__(self, name: str, look: TableLook) -> None:
        assert look.layout is not None
        self.name, self.layout = name, look.layout
        self._look, self._cells = look, Cells(look.layout, look.delimiter)
        self.pictures: list[str] = []
        self.classes: list[str] = []
        self.splits: list[str] = []
        self.errors: dict[int, InputError] = {}
        self.notes: defaultdict[int, Tally] = defaultdict(Tally)
        self._known: dict[str, int] = {}
        self._labels: dict[str, int] = {}
        self.first, self._width, self._height = array("q"), array("i"), array("i")
        self._owner, self._label, self._line = array("i"), array("i"), array("q")
        self._numbers, self._hard = array("f"), array("b")
        self.boxless: dict[int, list[str]] = {}
        self._without: list[tuple[int, int, int]] = []

    def read(self, root: Path, notes: Tally) -> None:
        """Read all rows.

        Args:
            notes: take what is odd of the whole file.

        Raises:
            InputError: the file is no CSV, a row names no picture, a picture is of two splits, or
                too much is broken.
        """
        layout, header = self.layout, list(self._look.header)
        with rows_of(below(root, self.name), self.name, self._look.delimiter) as rows:
            source = iter(rows)
            if not layout.first:
                next(source, None)
            needed = layout.needed
            for row in source:
                if len(row) < needed:
                    self._short(row, rows)
                elif header and row == header:
                    notes.add(AGAIN, f"{self.name}:{rows.line}")
                else:
                    self._add(row, rows.line)
        if self._cells.comma and self._cells.point:
            raise InputError(
                f'a decimal comma in "{listable(self._cells.comma)}", a decimal point in '
                f'"{listable(self._cells.point)}"',
                where=self.name,
                hint="Write all numbers alike, without marks between thousands",
            )
        self._judge_boxless()
        self._sort()

    def _add(self, row: list[str], line: int) -> None:
        cell = row[self.layout.picture].strip()
        picture = self._known.get(cell)
        if picture is None:
            picture = self._new(cell, line)
        if self.layout.split >= 0:
            self._require_split(picture, row[self.layout.split].strip(), line)
        try:
            self._add_boxes(picture, row, line)
        except CellError as error:
            self.fail(picture, str(error), line)

    def _new(self, cell: str, line: int) -> int:
        if is_blank(cell):
            raise InputError("the row names no picture", where=f"{self.name}:{line}")
        picture = self._known[cell] = len(self.pictures)
        self.pictures.append(cell)
        self.first.append(line)
        self._width.append(0)
        self._height.append(0)
        return picture

    def _add_boxes(self, picture: int, row: list[str], line: int) -> None:
        layout, cells = self.layout, self._cells
        row += [""] * (layout.size - len(row))
        if len(row) > layout.size and any(cell.strip() for cell in row[layout.size :]):
            raise CellError(f"{len(row)} cells, where there are {layout.size} columns")
        if layout.width >= 0 or layout.height >= 0:
            self._state(picture, row)
        label = self._class(row)
        boxes = cells.boxes(row)
        if not boxes:
            if label >= 0:
                self._without.append((picture, label, line))
            return
        if label < 0:
            raise CellError("a box without a class")
        hard = layout.difficult >= 0 and cells.flag(row[layout.difficult])
        if layout.score >= 0 and number(row[layout.score]) < 1:
            self.notes[picture].add(SCORED, f"{self.name}:{line}")
        for box in boxes:
            self._owner.append(picture)
            self._label.append(label)
            self._line.append(line)
            self._hard.append(hard)
            self._numbers.extend(box)

    def _class(self, row: list[str]) -> int:
        """The class of a row, -1 where it has none."""
        name = row[self.layout.label].strip() if self.layout.label >= 0 else ONLY_CLASS
        if not name or name == "nan":
            return -1
        label = self._labels.get(name)
        if label is None:
            label = self._labels[name] = len(self.classes)
            self.classes.append(name)
        return label

    def _state(self, picture: int, row: list[str]) -> None:
        """The size that a row states of its picture."""
        width, height = self._cells.size(row)
        before = (self._width[picture], self._height[picture])
        if any(before) and any((width, height)) and before != (width, height):
            raise CellError(
                f"the picture is {width}x{height} here, {before[0]}x{before[1]} in an earlier row"
            )
        if width or height:
            self._width[picture], self._height[picture] = width, height

    def _require_split(self, picture: int, split: str, line: int) -> None:
        if picture == len(self.splits):
            self.splits.append(split)
        elif self.splits[picture] != split:
            name, before = self.pictures[picture], self.splits[picture]
            where = f"{self.name}:{line}"
            raise two_splits(name, split, before, self.first[picture], where)

    def fail(self, picture: int, what: str, line: int) -> None:
        """Note that a picture cannot be taken.

        Raises:
            InputError: too many cannot.
        """
        error = InputError(what, where=f"{self.name}:{line}")
        self.errors.setdefault(picture, error)
        if len(self.errors) > MOST_BROKEN:
            first = min(self.errors.values(), key=lambda e: int(e.where.rpartition(":")[2]))
            raise InputError(
                f"rows of more than {MOST_BROKEN:,} pictures are broken, such as: {first.what}",
                where=first.where,
                hint="Are these the columns that the first line names?",
            )

    def _short(self, row: list[str], rows: Rows) -> None:
        """A row that ends before the last of the columns that are needed."""
        what = f"{len(row)} cells, where there are {self.layout.size} columns"
        named = row[self.layout.picture].strip() if self.layout.picture < len(row) - 1 else ""
        picture = self._known.get(named)
        if picture is None:
            raise InputError(what, where=f"{self.name}:{rows.line}")
        self.fail(picture, what, rows.line)

    def _judge_boxless(self) -> None:
        """Rows of a class without a box: of a class that nowhere has one, they say "nothing"."""
        boxed = set(self._label)
        for picture, label, line in self._without if self.layout.label >= 0 else ():
            text = f"{self.name}:{line}: {listable(self.classes[label])}"
            if label in boxed:
                self.boxless.setdefault(picture, []).append(f"{text} without a box")
            else:
                self.notes[picture].add(NOTHING, text)

    def _sort(self) -> None:
        owner = np.frombuffer(self._owner, np.int32)
        order = np.argsort(owner, kind="stable")
        self.owner: Column = owner[order]
        self.label: Column = np.frombuffer(self._label, np.int32)[order]
        self.line: Column = np.frombuffer(self._line, np.int64)[order]
        self.hard: Column = np.frombuffer(self._hard, np.bool_)[order]
        self.numbers: Boxes = np.frombuffer(self._numbers, np.float32).reshape(-1, 4)[order]
        self.width: Column = np.frombuffer(self._width, np.int32)
        self.height: Column = np.frombuffer(self._height, np.int32)
        starts = np.arange(len(self.pictures) + 1, dtype=np.int32)
        self._starts = np.searchsorted(self.owner, starts)

    def rows(self, picture: int) -> slice:
        """Where a picture's boxes are in the columns."""
        return slice(int(self._starts[picture]), int(self._starts[picture + 1]))


def picture_names(path: Path, name: str) -> set[str]:
    """How the rows of a CSV name their pictures.

    Raises:
        InputError: the file is no CSV.
    """
    look = look_at(path, name)
    if look.layout is None:
        return set()
    with rows_of(path, name, look.delimiter) as rows:
        column = look.layout.picture
        return {row[column].strip() for row in rows if len(row) > column}


def two_splits(picture: str, split: str, other: str, line: int, where: str) -> InputError:
    """That a picture is of two splits, as an earlier line says."""
    return InputError(
        listable(f'"{picture}" is of "{split}" here, of "{other}" in line {line}'),
        where=where,
        hint="A net would be tested with what it was trained on: leave it in one of them",
    )
