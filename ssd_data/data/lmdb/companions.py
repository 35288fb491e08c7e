"""``<split>_name_size.txt``: a line ``name height width`` for each picture of a test set."""

from __future__ import annotations

from pathlib import Path

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import read_lines


def read_name_sizes(path: Path) -> list[tuple[str, tuple[int, int]]]:
    """Name and (width, height) of each line.

    Raises:
        InputError: the file is missing, or a line is something else.
    """
    rows = []
    for number, line in enumerate(read_lines(path, "file of names and sizes"), 1):
        words = line.rsplit(maxsplit=2)
        if len(words) != 3 or not (words[1].isdecimal() and words[2].isdecimal()):
            raise InputError(
                "a line has a name, height and width",
                where=f"{path}:{number}",
                hint="ssd-data build writes such a file, <split>_name_size.txt",
            )
        rows.append((words[0], (int(words[2]), int(words[1]))))
    return rows


def file_beside(lmdb: Path) -> Path:
    """The one that a build writes beside its ``<NAME>_<split>_lmdb``; it may not be there."""
    split = lmdb.name.removesuffix("_lmdb").rpartition("_")[2]
    return lmdb.parent / f"{split}_name_size.txt"
