"""What lies at a path: on the disk, or in a store where it is an address.

The one place where that is asked of a path made of what a data set says. None of this ever raises
what the system says of a name that is too long, or holds a NUL: there is no such file.
"""

from __future__ import annotations

import os
from collections.abc import Hashable
from pathlib import Path
from typing import NamedTuple

from ssd_data.core.files.remote.address import remote


def is_there(path: Path | str) -> bool:
    """Whether something is there, and where it is a link at its end."""
    found = remote(path)
    return os.path.exists(path) if found is None else found.exists()  # noqa: PTH110


def is_named_there(path: Path | str) -> bool:
    """Whether something is called so, be it a link to nothing."""
    found = remote(path)
    return os.path.lexists(path) if found is None else found.exists()


def is_file(path: Path | str) -> bool:
    """Whether a file is there."""
    found = remote(path)
    return os.path.isfile(path) if found is None else found.is_file()  # noqa: PTH113


def is_folder(path: Path | str) -> bool:
    """Whether a folder is there."""
    found = remote(path)
    return os.path.isdir(path) if found is None else found.is_dir()  # noqa: PTH112


class Stamp(NamedTuple):
    """What tells a file from another of its name: two numbers of its place, its size and time.

    Of a store the place is none, and what it has for the time changes with the content.
    """

    device: int
    inode: int
    size: int
    changed: int


def look_at(path: Path | str) -> Stamp:
    """What is there.

    Raises:
        OSError: as the system says.
    """
    if (found := remote(path)) is not None:
        file = found.stat()
        return Stamp(0, 0, file.st_size, file.st_mtime_ns)
    status = os.stat(path)  # noqa: PTH116 - Path takes as long as the call
    return Stamp(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def stamp(path: Path | str) -> tuple[int, int]:
    """What changes with a file's content: its size and time, or what a store has for that.

    Raises:
        OSError: as the system says.
    """
    status = os.stat(path) if (found := remote(path)) is None else found.stat()  # noqa: PTH116
    return status.st_size, status.st_mtime_ns


def look_anew(path: Path | str) -> None:
    """What lies there may have changed since it was looked at. The disk is always asked."""
    if (found := remote(path)) is not None:
        from ssd_data.core.files.remote.stores import store_of

        store_of(found).look_anew()


def identity(path: Path | str) -> Hashable | None:
    """What a folder has in common with itself under another name; None where there is none."""
    if (found := remote(path)) is not None:
        return str(found) if found.is_dir() else None
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return status.st_dev, status.st_ino
