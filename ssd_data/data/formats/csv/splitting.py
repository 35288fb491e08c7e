"""The splits that a column of a CSV says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ssd_data.data.formats.csv.kinds import TableLook
from ssd_data.data.formats.csvrows import rows_of
from ssd_data.data.formats.indexsplits import UNASSIGNED, said_split

MOST_VALUES = 64
_FLAGS = {"0": "train", "false": "train", "1": "test", "true": "test"}


def split_of(cell: str, flags: bool) -> str:
    """The split that a cell says, by its meaning; empty where it says nothing known.

    >>> split_of("TRAINING", False), split_of("1", True)
    ('train', 'test')

    Args:
        flags: 1 is test, 0 training.
    """
    return _FLAGS.get(cell.strip().lower(), "") if flags else said_split(cell)


def column_splits(path: Path, name: str, look: TableLook) -> Mapping[str, list[str]] | None:
    """The splits that a CSV's column says, with the words it has for them; None where it has no
    such column, or that says something else.

    Raises:
        InputError: the file is no CSV.
    """
    layout = look.layout
    if layout is None or layout.split < 0:
        return None
    words: dict[str, None] = {}
    header = list(look.header)
    with rows_of(path, name, look.delimiter) as rows:
        source = iter(rows)
        if not layout.first:
            next(source, None)
        for row in source:
            if len(row) > layout.split and row != header:
                words.setdefault(row[layout.split].strip())
                if len(words) > MOST_VALUES:
                    return None
    found: dict[str, list[str]] = {}
    for word in words:
        found.setdefault(split_of(word, layout.flags), []).append(word)
    return None if "" in found or set(found) == {UNASSIGNED} else found
