"""The classes of a CSV: names, or numbers that a second file may name."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path

import numpy as np

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import below, listable
from ssd_data.data.formats.csv.table import CsvTable
from ssd_data.data.formats.csvrows import DELIMITERS, head_of, parsed, rows_of
from ssd_data.data.formats.pictures import has_picture_ending

MOST_CLASSES = 100_000
_NUMBER = re.compile(r"([0-9]{1,9})(?:\.0+)?")
_CALLED = re.compile(r"class|label|categor|mapping|names", re.I)


def number_of(text: str) -> int | None:
    """The number that a class is written as, pandas' ``1.0`` too; None where it is a name.

    >>> number_of("3"), number_of("3.0"), number_of("cup 3")
    (3, 3, None)
    """
    match = _NUMBER.fullmatch(text)
    return int(match[1]) if match else None


def labels_of(table: CsvTable, names: dict[int, str]) -> list[str | int]:
    """The class of each label of a table: numbers only where all that boxes use are."""
    numbers = [number_of(text) for text in table.classes]
    if any(numbers[label] is None for label in np.unique(table.label)):
        return list(table.classes)
    known: list[str | int] = []
    for text, number in zip(table.classes, numbers, strict=True):
        known.append(text if number is None else names.get(number, number))
    return known


def are_names(path: Path, name: str) -> bool:
    """Whether a CSV lists classes and their numbers, as keras-retinanet's ``classes.csv``."""
    if not _CALLED.search(path.stem):
        return False
    try:
        lines, _ = head_of(path, name, 1 << 14)
    except InputError:
        return False
    return any(_is_pair(rows[-1]) for d in DELIMITERS if (rows := parsed(lines, d)))


def class_names(root: Path, name: str) -> dict[int, str]:
    """The classes of such a file by their numbers, sorted.

    Raises:
        InputError: it is absent, or a row is not a class and its number.
    """
    if not name:
        return {}
    path = below(root, name)
    lines, _ = head_of(path, name, 1 << 14)
    fitting = (d for d in DELIMITERS if (r := parsed(lines, d)) and _is_pair(r[-1]))
    found: dict[int, str] = {}
    with rows_of(path, name, next(fitting, ",")) as rows:
        for index, row in enumerate(islice(rows, MOST_CLASSES)):
            if not _is_pair(row):
                if not index:
                    continue  # the names of its columns
                raise InputError("not a class and its number", where=f"{name}:{rows.line}")
            text, number = _pair(row)
            if found.setdefault(number, text) != text:
                what = f'number {number} is "{listable(found[number])}" and "{listable(text)}"'
                raise InputError(what, where=f"{name}:{rows.line}")
    return dict(sorted(found.items()))


def _is_pair(row: list[str]) -> bool:
    cells = [cell.strip() for cell in row]
    if len(cells) != 2 or has_picture_ending(cells[0]):
        return False
    return [number_of(cell) is None for cell in cells] in ([True, False], [False, True])


def _pair(row: list[str]) -> tuple[str, int]:
    for text, other in (row, row[::-1]):
        if (number := number_of(other.strip())) is not None and number_of(text.strip()) is None:
            return text.strip(), number
    raise AssertionError
