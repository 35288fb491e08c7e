"""What the cells of a CSV's row say: numbers, boxes, flags."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

from ssd_data.core.files.paths import listable
from ssd_data.data.formats.csv.columns import ColumnLayout, Form
from ssd_data.data.formats.csvrows import is_blank
from ssd_data.data.formats.numbers import FAR, number

Box = Sequence[float]
MOST_BOXES = 20_000  # in one cell
_FLAGS = {
    **dict.fromkeys(("1", "1.0", "true", "t", "yes", "y"), True),
    **dict.fromkeys(("0", "0.0", "false", "f", "no", "n", "-1", "", "nan", "none"), False),
}
_BETWEEN = re.compile(r"[,;\s]+")
_NO_BOX = "no_box"


def _shown(text: str) -> str:
    return f'"{listable(text[:40])}"'


class CellError(ValueError):
    """A cell does not say what it should."""


class Cells:
    """Reads the cells of a layout.

    Attributes:
        comma: a number that was written with a decimal comma, empty where none was.
        point: one with a decimal point, looked for only where commas are possible.
    """

    def __init__(self, layout: ColumnLayout, delimiter: str) -> None:
        self.layout, self.comma, self.point = layout, "", ""
        self._commas = delimiter != ","
        self._stated = (("", ""), (0, 0))  # the last row's, which is most often the next one's
        readers: dict[Form, Callable[[list[str]], list[Box]]] = {
            "four": self._four,
            "many": self._many,
            "vertices": self._hull,
        }
        self.boxes = readers.get(layout.form, self._columns)

    def _columns(self, row: list[str]) -> list[Box]:
        cells = [row[column] for column in self.layout.box]
        values = [number(cell) for cell in cells]
        if all(abs(value) < FAR for value in values) and not self._commas:
            return [values]
        if all(map(is_blank, cells)):
            return []
        return [[self.number(cell) for cell in cells]]

    def number(self, cell: str) -> float:
        """The number that a cell holds.

        Raises:
            CellError: it holds none.
        """
        text = cell.strip()
        value = number(text)
        if self._commas and "." in text:
            self.point = self.point or text
        if self._commas and math.isnan(value) and text.count(",") == 1:
            value = number(text.replace(",", "."))
            self.comma = self.comma or text
        if not abs(value) < FAR:
            raise CellError(f"{_shown(text)} is no number" if text else "a number is missing")
        return value

    def _four(self, row: list[str]) -> list[Box]:
        text = row[self.layout.box[0]].strip()
        if is_blank(text) or text in ("[]", "()"):
            return []
        if text[:1] in "[(" and text[-1:] in "])":
            text = text[1:-1]
        words = [word for word in _BETWEEN.split(text) if word]
        if len(words) != 4:
            raise CellError(f"{_shown(text)} is not four numbers")
        return [[self._plain(word) for word in words]]

    def _many(self, row: list[str]) -> list[Box]:
        text = row[self.layout.box[0]].strip()
        if is_blank(text) or text.lower() == _NO_BOX:
            return []
        parts = [part.split() for part in text.split(";") if part.strip()]
        if any(len(part) != 4 for part in parts) or len(parts) > MOST_BOXES:
            raise CellError(f"{_shown(text)} is not boxes of four numbers, parted by ;")
        return [[self._plain(word) for word in part] for part in parts]

    def _plain(self, word: str) -> float:
        value = number(word)
        if not abs(value) < FAR:
            raise CellError(f"{_shown(word)} is no number")
        return value

    def _hull(self, row: list[str]) -> list[Box]:
        """The upright box around the vertices that are given: two opposite ones, or four."""
        cells = [row[column] for column in self.layout.box]
        if all(map(is_blank, cells)):
            return []
        pairs = list(zip(cells[0::2], cells[1::2], strict=True))
        given = [pair for pair in pairs if not all(map(is_blank, pair))]
        if len(given) < 2:
            raise CellError("a box has two vertices, or four")
        across, down = ([self.number(cell) for cell in side] for side in zip(*given, strict=True))
        return [[min(across), min(down), max(across), max(down)]]

    def flag(self, cell: str) -> bool:
        """Whether a cell says yes.

        Raises:
            CellError: it says neither yes nor no.
        """
        said = _FLAGS.get(cell.strip().lower())
        if said is None:
            raise CellError(f"{_shown(cell)} is neither 0 nor 1")
        return said

    def size(self, row: list[str]) -> tuple[int, int]:
        """The width and height that a row states of its picture; 0 where it states none.

        Raises:
            CellError: it is no such number.
        """
        columns = (self.layout.width, self.layout.height)
        stated = (
            row[columns[0]] if columns[0] >= 0 else "",
            row[columns[1]] if columns[1] >= 0 else "",
        )
        if stated != self._stated[0]:
            self._stated = (stated, (self._side(stated[0]), self._side(stated[1])))
        return self._stated[1]

    def _side(self, cell: str) -> int:
        if is_blank(cell):
            return 0
        value = self.number(cell)
        if value != int(value) or not 0 <= value < 2**31:
            raise CellError(f"{_shown(cell)} is no width or height")
        return int(value)
