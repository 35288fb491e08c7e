"""Open Images' CSV files: the columns that are read, the classes' names, a source."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import below, open_regular
from ssd_data.data.formats.undivided import PartSource

CSV = frozenset({".csv"})
MAX_BYTES = 16 << 30
MAX_LINE = 1 << 20
NEEDED = ("imageid", "labelname", "xmin", "ymin", "xmax", "ymax")
GROUP, CONFIDENCE = "isgroupof", "confidence"


class OpenImagesSource(PartSource, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A CSV of boxes.

    Attributes:
        csv: the file below the root.
        images: the folder of its pictures.
        names: the CSV of the classes' codes and names; left out, the codes are the names.
        rest: whether pictures of the folder that the CSV does not name are pictures without
            annotation; else nothing is said of them.
    """

    csv: str
    images: str = ""
    names: str = ""
    rest: bool = True


@contextmanager
def rows_of(path: Path, name: str) -> Iterator[Iterator[list[str]]]:
    """The rows of a CSV as they are read, with ``line_num``.

    Raises:
        InputError: the file is absent, not UTF-8 or not CSV.
    """
    with open_regular(path, "CSV", MAX_BYTES, name) as file:
        text = io.TextIOWrapper(file, "utf-8-sig", newline="")
        reader = csv.reader(_lines(text))
        try:
            yield reader
        except csv.Error as error:
            raise InputError(f"not CSV: {error}", where=f"{name}:{reader.line_num}") from None
        except UnicodeDecodeError as error:
            message = f"not UTF-8 text ({error.reason})"
            raise InputError(message, where=f"{name}:{reader.line_num + 1}") from None


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    """The lines of a file, none of which may fill the memory."""
    rest = ""
    while piece := text.read(MAX_LINE):
        *lines, rest = (rest + piece).split("\n")
        if len(rest) > MAX_LINE:
            raise csv.Error(f"a line has more than {MAX_LINE} characters")
        yield from lines
    if rest:
        yield rest


def columns_of(header: list[str]) -> dict[str, int] | None:
    """Where each column stands, by its name in small letters; None for any other CSV.

    >>> columns_of(["ImageID", "LabelName", "XMin", "XMax", "YMin", "YMax"])["xmax"]
    3
    """
    found = {name.strip().lower(): index for index, name in reversed(list(enumerate(header)))}
    return found if all(name in found for name in NEEDED) else None


def is_boxes(path: Path) -> bool:
    """Whether a CSV's header is that of Open Images' boxes."""
    try:
        with rows_of(path, path.name) as rows:
            return columns_of(next(rows, [])) is not None
    except (InputError, OSError):
        return False


def is_names(path: Path) -> bool:
    """Whether a CSV is one of classes, by its name and its first row."""
    name = path.name.lower()
    if "class" not in name or not ("desc" in name or name.startswith("class")):
        return False
    try:
        with rows_of(path, path.name) as rows:
            return len(next(rows, [])) == 2
    except (InputError, OSError):
        return False


def class_names(root: Path, name: str) -> dict[str, str]:
    """The name of each class by its code; of codes that share a name, the name with the code.

    Raises:
        InputError: the file is absent, or a row is not a code and a name.
    """
    if not name:
        return {}
    found: dict[str, str] = {}
    with rows_of(below(root, name), name) as rows:
        for number, row in enumerate(rows, 1):
            if not row or (number == 1 and row[0].strip().lower() == "labelname"):
                continue
            if len(row) != 2 or not all(word.strip() for word in row):
                raise InputError("not a class's code and name", where=f"{name}:{number}")
            found.setdefault(row[0].strip(), row[1].strip())
    shared = Counter(found.values())
    return {c: n if shared[n] == 1 else f"{n} ({c})" for c, n in found.items()}
