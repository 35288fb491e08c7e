"""Where detections stand in their files, and what their columns are called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ssd_data.core.files.paths import read_bytes

MAX_BYTES = 1 << 32
SCORE = "score"
CORNERS = ("xmin", "ymin", "xmax", "ymax")
SIDES = ("x", "y", "width", "height")


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """The files of some detections, row by row.

    Attributes:
        columns: what stands in a line, in order: the score, and :data:`CORNERS` or :data:`SIDES`
            in their order; the picture's name may stand before them.
        files: the files' paths.
        file: int64 (N,), index of each detection's file; entry: int64 (N,), the how-manieth
            detection of that file it is, from 0.
        head: how many lines stand before the first detection; None where they are no lines.

    >>> from pathlib import Path
    >>> _ = Path("two.txt").write_text("7 0.5 1 1 9 9\\n\\n8 0.25 2 2 9 9\\n")
    >>> lines = Lines.of(("image", "score", *CORNERS), ["two.txt"], [2], head=0)
    >>> lines.place(1), lines.column(0), lines.line(lines.numbers)
    ('two.txt:3', 'column 2', 'image score xmin ymin xmax ymax')
    """

    columns: tuple[str, ...]
    files: tuple[str, ...]
    file: npt.NDArray[np.int64]
    entry: npt.NDArray[np.int64]
    head: int | None

    @classmethod
    def of(
        cls,
        columns: tuple[str, ...],
        files: Sequence[object],
        counts: Sequence[int],
        head: int | None,
    ) -> Lines:
        """Of detections that were read file by file, ``counts`` from each."""
        number = np.array(counts, np.int64)
        entry = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
        return cls(
            columns, tuple(map(str, files)), np.repeat(np.arange(len(number)), number), entry, head
        )

    @property
    def numbers(self) -> tuple[str, ...]:
        """The columns that are numbers."""
        return self.columns[-5:]

    def line(self, numbers: Sequence[str]) -> str:
        """What a line is whose numbers are those, in words."""
        if self.head is None:
            return f"bbox [{', '.join(numbers[:4])}], score {numbers[4]}"
        return " ".join([*self.columns[:-5], *numbers])

    def column(self, number: int) -> str:
        """What the column of a number is called, from 0."""
        if self.head is None:
            return "score" if number == 4 else f"bbox[{number}]"
        return f"column {len(self.columns) - 5 + number + 1}"

    def rows(self, which: npt.NDArray[Any] | slice) -> Lines:
        """Of some of the detections: those of the given indices or flags."""
        return replace(self, file=self.file[which], entry=self.entry[which])

    def place(self, row: int) -> str:
        """File and line of a detection; the file is read once more."""
        path, entry = self.files[self.file[row]], int(self.entry[row])
        if self.head is None:
            return f"{path}: entry {entry}"
        data = read_bytes(path, "file of detections", MAX_BYTES)
        lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        numbers = (i for i, line in enumerate(lines, 1) if i > self.head and line.strip())
        return f"{path}:{next((n for i, n in enumerate(numbers) if i == entry), 1)}"
