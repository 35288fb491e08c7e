"""Open Images' CSV files: the columns that are read, the classes' names, a source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import below
from ssd_data.data.formats.csvrows import DELIMITERS, Rows, head_of, parsed, rows_of
from ssd_data.data.formats.indexes import ListedSource

CSV = frozenset({".csv"})
FIRST = 2  # characters, so that an empty line does not end what is looked at
NEEDED = ("imageid", "labelname", "xmin", "ymin", "xmax", "ymax")
GROUP, CONFIDENCE = "isgroupof", "confidence"


class OpenImagesSource(ListedSource, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A CSV of boxes.

    Attributes:
        csv: the file below the root.
        names: the CSV of the classes' codes and names; left out, the codes are the names.
    """

    csv: str
    names: str = ""


@contextmanager
def box_rows(root: Path, name: str) -> Iterator[tuple[dict[str, int], Rows]]:
    """Where the columns of a CSV stand, by their names in small letters, and its further rows.

    Raises:
        InputError: the file is absent, no CSV, or lacks a column.
    """
    path = below(root, name)
    delimiter = _delimiter(path, name)
    if not delimiter:
        hint = f"The header names {', '.join(NEEDED)}"
        raise InputError("not Open Images' boxes", where=f"{name}:1", hint=hint)
    with rows_of(path, name, delimiter) as rows:
        columns = columns_of(next(iter(rows), []))
        assert columns is not None
        yield columns, rows


def _delimiter(path: Path, name: str) -> str:
    """What stands between the cells of a CSV of boxes; empty where it is none."""
    lines, stated = head_of(path, name, FIRST)
    known = (d for d in (stated, *DELIMITERS) if d)
    headers = ((d, next(iter(parsed(lines, d)), [])) for d in known)
    return next((d for d, header in headers if columns_of(header) is not None), "")


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
        return bool(_delimiter(path, path.name))
    except InputError:
        return False


def is_names(path: Path) -> bool:
    """Whether a CSV is one of classes, by its name and its first row."""
    name = path.name.lower()
    if "class" not in name or not ("desc" in name or name.startswith("class")):
        return False
    try:
        lines, _ = head_of(path, path.name, FIRST)
    except InputError:
        return False
    return len(next(iter(parsed(lines, ",")), [])) == 2


def class_names(root: Path, name: str) -> dict[str, str]:
    """The name of each class by its code; of codes that share a name, the name with the code.

    Raises:
        InputError: the file is absent, or a row is not a code and a name.
    """
    if not name:
        return {}
    found: dict[str, str] = {}
    with rows_of(below(root, name), name, ",") as rows:
        for number, row in enumerate(rows):
            if number == 0 and row[0].strip().lower() == "labelname":
                continue
            if len(row) != 2 or not all(word.strip() for word in row):
                raise InputError("not a class's code and name", where=f"{name}:{rows.line}")
            found.setdefault(row[0].strip(), row[1].strip())
    shared = Counter(found.values())
    return {c: n if shared[n] == 1 else f"{n} ({c})" for c, n in found.items()}
