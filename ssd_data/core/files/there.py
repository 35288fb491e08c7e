"""What lies at a path: on the disk, or in a store where it is an address.

The one place where that is asked. A name that is too long, holds a NUL or leads round in a circle
is that of no file; where the system cannot tell (a disk that fails, a folder that may not be looked
into) that is raised, and nothing taken for missing. ``pathlib`` and ``os.path`` have it otherwise,
and so has one version of Python from another.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Hashable
from pathlib import Path
from typing import NamedTuple

from ssd_data.core.files.remote.address import remote

NOT_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP})


def is_there(path: Path | str) -> bool:
    """Whether something is there, and where it is a link at its end.

    Raises:
        OSError: that cannot be told. So have it the others here.
    """
    found = remote(path)
    return _mode(path) != 0 if found is None else found.exists()


def is_named_there(path: Path | str) -> bool:
    """Whether something is called so, be it a link to nothing."""
    found = remote(path)
    return _mode(path, follow=False) != 0 if found is None else found.exists()


def is_file(path: Path | str) -> bool:
    """Whether a file is there."""
    found = remote(path)
    return stat.S_ISREG(_mode(path)) if found is None else found.is_file()


def is_folder(path: Path | str) -> bool:
    """Whether a folder is there."""
    found = remote(path)
    return stat.S_ISDIR(_mode(path)) if found is None else found.is_dir()


def is_own_folder(path: Path | str) -> bool:
    """Whether a folder is there, and no link to one."""
    found = remote(path)
    return stat.S_ISDIR(_mode(path, follow=False)) if found is None else found.is_dir()


def is_link(path: Path | str) -> bool:
    """Whether a link is there, wherever it leads; a store has none."""
    return remote(path) is None and stat.S_ISLNK(_mode(path, follow=False))


def status_of(path: Path | str, follow: bool = True) -> os.stat_result | None:
    """What the disk says of what is there, or of the link itself; None where nothing is."""
    try:
        return os.stat(path, follow_symlinks=follow)  # noqa: PTH116
    except ValueError:  # a NUL
        return None
    except OSError as error:
        if error.errno in NOT_THERE:
            return None
        raise


def _mode(path: Path | str, follow: bool = True) -> int:
    """What kind of thing is there; 0 where nothing is."""
    status = status_of(path, follow)
    return 0 if status is None else status.st_mode


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
    status = status_of(path)
    return None if status is None else (status.st_dev, status.st_ino)
