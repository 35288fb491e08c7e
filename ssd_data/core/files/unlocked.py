"""Commands that write into one folder of a file system without locks, where none is kept out.

Each stages in a folder that is its own, and puts that in the folder's place only if what it
replaces is still what it found: of two that write at once one ends with an error. What a killed one
left cannot be told from what a living one has but by its age.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from ssd_data.core.errors import OutputError
from ssd_data.core.files.exchange import remove_tree
from ssd_data.core.files.there import is_own_folder

FORGOTTEN = 7 * 24 * 3600  # seconds
MOVING = 60  # seconds that moving a few items takes at most
Marks = dict[str, tuple[int, ...]]


def own_name(path: Path) -> Path:
    """The path with an end that no other process takes."""
    return path.with_name(f"{path.name}.{os.urandom(4).hex()}")


def marks(folder: Path) -> Marks:
    """What tells of each item in a folder whether it was replaced; nothing of no folder."""
    found = {}
    with suppress(FileNotFoundError):
        for entry in os.scandir(folder):
            status = entry.stat(follow_symlinks=False)
            is_folder = entry.is_dir(follow_symlinks=False)
            rest = () if is_folder else (status.st_size, status.st_mtime_ns)
            found[entry.name] = (status.st_ino, *rest)
    return found


def is_same(folder: Path, before: Marks, names: Collection[str]) -> bool:
    """Whether nobody has replaced any of these items since :func:`marks` looked at the folder."""
    now = marks(folder)
    return all(now.get(name) == before.get(name) for name in names)


def overtaken(where: Path) -> OutputError:
    """The error where somebody has."""
    return OutputError(
        "another command has written into this folder meanwhile",
        where=where,
        hint="Run this one again; what is there is the other's, and whole",
    )


def clock(folder: Path) -> float:
    """What time it is by the clock of a folder's file system."""
    with tempfile.TemporaryFile(dir=folder) as file:
        return os.fstat(file.fileno()).st_ctime


def require_nobody_moves(ready: Path, now: float, where: Path) -> None:
    """Make sure that whoever was moving items into a folder is dead.

    Raises:
        OutputError: it may be alive.
    """
    if now - _changed(ready) < MOVING:
        raise OutputError(
            "another command is just publishing into this folder, or was killed while it did",
            where=where,
            hint="Wait a minute, then run this one again",
        )


def remove_forgotten(path: Path, now: float) -> None:
    """Remove a folder, and all of its :func:`own_name`, that nobody has touched for a week."""
    with suppress(OSError):
        for there in path.parent.iterdir():
            ours = there.name == path.name or there.name.startswith(f"{path.name}.")
            if ours and is_own_folder(there) and now - _changed(there) > FORGOTTEN:
                remove_tree(there)


def _changed(folder: Path) -> float:
    """When something was last changed in a folder or below it."""
    times = [folder.stat().st_ctime]
    for place, folders, files in os.walk(folder):
        times += [Path(place, name).lstat().st_ctime for name in (*folders, *files)]
    return max(times)
