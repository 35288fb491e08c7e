"""Text files, one a picture: lines of ``label xmin ymin xmax ymax`` in pixels.

The label is a number of the labelmap, as in the original; a name is read as well, which may have
spaces. Files that look alike are recognised and refused: YOLO's (``class cx cy w h`` in fractions),
KITTI's (15 columns), those of detectors (``label score xmin ymin xmax ymax``), and any with a
further column.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ssd_data.core.errors import InputError
from ssd_data.core.files.inside import read_text
from ssd_data.core.notes import Tally
from ssd_data.core.structures import AnnotatedImage
from ssd_data.data.formats import AnnotationFile
from ssd_data.data.formats.numbers import FAR, number

MAX_BYTES = 64 << 20
KITTI_NUMBERS = (14, 15)  # behind the class; the last is a detector's score
MOST_LABEL = 10**9


class TxtRow(NamedTuple):
    """A line: the label, whether a number ends it behind other words, and the corners."""

    label: str | int
    numbered: bool
    box: list[float]


def read_file(path: Path, image: str, annotation: str, notes: Tally) -> AnnotatedImage:
    """One text file.

    Raises:
        InputError: the file is absent, a line is not a label and four numbers, or it is YOLO's.
    """
    numbered = list(_lines(read_text(path, "annotation", MAX_BYTES, annotation)))
    rows = [_row(words, f"{annotation}:{line}") for line, words in numbered]
    values = [value for row in rows for value in row.box]
    if _are_fractions(values) and any(value % 1 for value in values):
        raise _fractions(annotation)
    return AnnotatedImage(
        image=image,
        annotation=annotation,
        classes=tuple(row.label for row in rows),
        boxes=np.array([row.box for row in rows], np.float32).reshape(-1, 4),
        difficult=np.zeros(len(rows), np.bool_),
        places=tuple(line for line, _ in numbered),
    )


def survey(files: Sequence[tuple[Path, str]]) -> None:
    """Refuse files all of whose labels end with a number, or all of whose boxes are within 0 to 1.

    A single ``Boeing 737 20 30 80 90`` is a class with a number in its name; where all lines have
    one, it is a column.

    Raises:
        InputError: they are such.
    """
    numbered, plain, outside = "", False, not files
    for path, annotation in files:
        try:
            lines = list(_lines(read_text(path, "annotation", MAX_BYTES, annotation)))
            rows = [_row(words, f"{annotation}:{line}") for line, words in lines]
        except InputError:
            continue  # said when it is read
        plain = plain or any(not row.numbered for row in rows)
        numbered = numbered or (f"{annotation}:{lines[0][0]}" if rows else "")
        outside = outside or not all(_are_fractions(row.box) for row in rows)
    if numbered and not plain:
        text = "a number stands behind the class in all lines"
        raise InputError(text, where=numbered, hint=_COLUMN)
    if numbered and not outside:
        raise _fractions(files[0][1])


def looks_like(head: bytes) -> bool:
    """Whether a file begins with lines of this format, in pixels."""
    text = head.decode("utf-8-sig", "replace")
    lines = list(_lines(text if len(head) < 4096 else text.rpartition("\n")[0]))
    try:
        rows = [_row(words, "") for _, words in lines]
    except InputError:
        return False
    return bool(rows) and not _are_fractions([value for row in rows for value in row.box])


_COLUMN = (
    "A line is label xmin ymin xmax ymax: no score, flag or track number before or behind the box "
    "(a class's name may have a _ in place of the space before its number)"
)


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    end = "\n" if "\n" in text else "\r"
    for index, line in enumerate(text.split(end), 1):
        if words := line.split():
            yield index, words


def _row(words: list[str], where: str) -> TxtRow:
    """The label and corners of a line.

    Raises:
        InputError: it has none, or further columns.
    """
    values = [number(word) for word in words]
    name = (i for i, value in enumerate(reversed(values)) if not math.isfinite(value))
    numbers = next(name, len(words))
    if len(words) < 5 or numbers < 4 or not all(abs(value) < FAR for value in values[-4:]):
        raise InputError(f'"{_shown(words)}" is not label xmin ymin xmax ymax', where=where)
    box = values[-4:]
    if numbers == len(words):
        return TxtRow(_label_number(words, where), False, box)
    if numbers > 5:
        raise _too_many(words, numbers, where)
    if numbers == 5:
        _require_name(words, values[-5:], where)
    return TxtRow(" ".join(words[:-4]), numbers == 5, box)


def _label_number(words: list[str], where: str) -> int:
    value = number(words[0])
    if len(words) > 5:
        raise InputError(
            f"{len(words)} numbers stand here, not label xmin ymin xmax ymax",
            where=where,
            hint=_COLUMN,
        )
    if value % 1 or not abs(value) < MOST_LABEL:
        raise InputError(
            f'"{words[0]}" stands where a label is expected: a whole number or a name', where=where
        )
    return int(value)


def _too_many(words: list[str], numbers: int, where: str) -> InputError:
    if numbers in KITTI_NUMBERS and len(words) == numbers + 1:
        return InputError(
            f"{len(words)} columns as in KITTI's files, not label xmin ymin xmax ymax",
            where=where,
            hint="--format kitti reads such a folder",
        )
    text = f"{numbers} numbers stand behind the class, not xmin ymin xmax ymax"
    return InputError(text, where=where, hint=_COLUMN)


def _require_name(words: list[str], values: list[float], where: str) -> None:
    """Refuse a fifth number that cannot be the end of a class's name."""
    if not words[-5].isdecimal():
        text = f'"{words[-5]}" stands between class and box, as a score does'
        raise InputError(text, where=where, hint=_COLUMN)
    if not _is_box(values[1:]):
        text = f'"{_shown(words)}" has a column before or behind the box'
        raise InputError(text, where=where, hint=_COLUMN)


def _shown(words: list[str]) -> str:
    return " ".join(words[:20]) + " …" * (len(words) > 20)


def _is_box(values: list[float]) -> bool:
    return values[0] < values[2] and values[1] < values[3]


def _are_fractions(values: Sequence[float]) -> bool:
    return bool(values) and all(0 <= value <= 1 for value in values)


def _fractions(where: str) -> InputError:
    return InputError(
        "the boxes are fractions, as in YOLO's files; pixels are wanted",
        where=where,
        hint="Write label xmin ymin xmax ymax in pixels; YOLO's class cx cy w h in fractions are "
        "read with --format yolo",
    )


FILE = AnnotationFile(".txt", read_file, looks_like, survey=survey)
