"""What several files or a folder come through: all of them or none, and the same again is no error.

A command that was killed just before it could say that it was done finds its own result when it is
run again. That is no obstacle: what would be written lies there already.
"""

from __future__ import annotations

import filecmp
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ssd_data.core.errors import OutputError
from ssd_data.core.files.hidden import is_hidden
from ssd_data.core.files.moving import names_in
from ssd_data.core.files.publish import OutFolder
from ssd_data.core.files.there import is_folder, is_named_there
from ssd_data.core.files.whole import write_bytes, write_whole

EMPTY = "Name a folder that does not exist yet, or empty this one: nothing is replaced"


@contextmanager
def new_folder(folder: Path, *, marks: Collection[str] = (), sync: bool = False) -> Iterator[Path]:
    """A hidden folder to write into, which appears under its name when all of it is there.

    Args:
        folder: must not exist, or be empty, or hold just what is written.
        marks: names of which such a folder always has one: others are refused before the work.
        sync: wait until all that was written is on the disk; else whoever writes does.

    Raises:
        OutputError: the folder holds something else, or it cannot be written; what could not be
            written in the hidden one is said of the folder.
    """
    if folder.name in ("", ".."):
        raise OutputError("this names no new folder", where=folder, hint="Name one")
    if is_named_there(folder) and not is_folder(folder):
        raise OutputError("this is a file, no folder", where=folder, hint=EMPTY)
    with OutFolder(folder) as work:
        names = names_in(folder) if is_folder(folder) else set()
        taken = {name for name in names if not is_hidden(name)}
        if taken and taken.isdisjoint(marks):
            raise _not_empty(folder)
        yield work.staging
        if taken and not same_tree(work.staging, folder):
            raise _not_empty(folder)
        if not taken:
            if sync:
                os.sync()
            work.publish()


def _not_empty(folder: Path) -> OutputError:
    return OutputError("the folder is not empty", where=folder, hint=EMPTY)


def same_tree(a: Path, b: Path) -> bool:
    """Whether two folders hold the same names and bytes, but for our hidden ones at the top."""
    found = []
    for top in (a, b):
        paths = {path.relative_to(top) for path in top.rglob("*")}
        found.append({path for path in paths if not is_hidden(path.parts[0])})
    if found[0] != found[1]:
        return False
    for name in found[0]:
        if is_folder(a / name) != is_folder(b / name):
            return False
        if not is_folder(a / name) and not filecmp.cmp(a / name, b / name, shallow=False):
            return False
    return True


def write_together(folder: Path, files: Mapping[str, bytes], *, redo: bool = False) -> None:
    """Write files into a folder, where others stay: all of them appear at once.

    Args:
        folder: made if it is not there.
        files: name → content.
        redo: replace what is there with other content.

    Raises:
        OutputError: see :func:`refuse_others`, or they cannot be written.
    """
    with OutFolder(folder) as work:
        refuse_others(folder, files, redo)
        if all(_holds(folder / name, data) for name, data in files.items()):
            return
        for name, data in files.items():
            write_bytes(work.staging / name, data)
        work.publish()


def write_one(path: Path, data: bytes, *, redo: bool = False) -> None:
    """Write one file in the same way: one that is there with other content stays.

    Raises:
        OutputError: see :func:`refuse_others`, or it cannot be written.
    """
    refuse_others(path.parent, {path.name: data}, redo)
    if not _holds(path, data):
        write_whole(path, data)


def refuse_others(folder: Path, files: Mapping[str, bytes], redo: bool) -> None:
    """Make sure that nothing else is lost when these files are written.

    Raises:
        OutputError: a file is there with other content and ``redo`` is not asked for, or a folder
            bears its name.
    """
    for name, data in files.items():
        path = folder / name
        if is_folder(path):
            raise OutputError("a folder is in the way", where=path, hint="Move it")
        if is_named_there(path) and not redo and not _holds(path, data):
            hint = "--redo replaces it; another -o keeps it"
            raise OutputError("is there already", where=path, hint=hint)


def _holds(path: Path, data: bytes) -> bool:
    try:
        return path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False
