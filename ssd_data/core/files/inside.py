"""What lies in a folder that a user has named, on the disk or in a store, is read through this.

The functions are called as those of ``paths.py``, and ask first whether a link leads out of the
folder (``fences.py``); what lies below no such folder they read as those do.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, Protocol

from ssd_data.core.files import paths
from ssd_data.core.files.fences import (
    AnyPath,
    leads_out,
    remember,
    require_inside,
    require_not_out,
)
from ssd_data.core.files.paths import TEXT_BYTES
from ssd_data.core.files.remote.address import remote
from ssd_data.core.files.there import NOT_THERE

AHEAD, FAR_AHEAD = 16, 64


class HeldEntry(Protocol):
    """What lies in a folder: an :class:`os.DirEntry`, or what a store has in its place."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def path(self) -> str:
        """Where it is."""

    def is_dir(self) -> bool:
        """Whether it is a folder, or a link to one."""

    def is_symlink(self) -> bool:
        """Whether it is a link."""


def entries(folder: AnyPath) -> list[HeldEntry]:
    """What lies in a folder.

    Raises:
        InputError: a link that leads out leads to it.
        OSError: as the system says.
    """
    if (far := remote(folder)) is not None:
        from ssd_data.core.files.remote import reading

        return [*reading.entries(far)]
    path = str(folder)
    require_not_out(path)
    with os.scandir(folder) as found:
        held = list(found)
    remember(path, held)
    return [*held]


def names_in(folder: AnyPath) -> list[str]:
    """The names of what lies in a folder, sorted; none where there is no such folder.

    Raises:
        InputError, OSError: as :func:`entries`.
    """
    try:
        return sorted(one.name for one in entries(folder))
    except OSError as error:
        if error.errno in NOT_THERE:
            return []
        raise


def is_folder(entry: HeldEntry) -> bool:
    """Whether it is a folder, or a link to one; not so a link that leads round in a circle.

    Raises:
        OSError: that cannot be told.
    """
    try:
        return entry.is_dir()
    except OSError as error:
        if error.errno in NOT_THERE:
            return False
        raise


def read_head(path: AnyPath, what: str, most: int, start: int) -> bytes:
    """The first bytes of a file that may be read as a whole thereafter.

    Raises:
        InputError, OSError: as :func:`open_regular`.
    """
    with open_regular(path, what, most) as file:
        return file.read(start)


def read_start(
    path: AnyPath, what: str, most: int, where: object, start: int, again: bool = False
) -> tuple[bytes, int]:
    """See :func:`ssd_data.core.files.paths.read_start`.

    Raises:
        InputError: it cannot be read, or a link that leads out leads to it.
    """
    require_inside(path)
    return paths.read_start(path, what, most, where, start, again)


def read_bytes(path: AnyPath, what: str, most: int, where: object = "") -> bytes:
    """See :func:`ssd_data.core.files.paths.read_bytes`.

    Raises:
        InputError: as there, or as :func:`require_inside`.
    """
    require_inside(path)
    return paths.read_bytes(path, what, most, where)


def read_text(path: Path, what: str, most: int = TEXT_BYTES, where: object = "") -> str:
    """See :func:`ssd_data.core.files.paths.read_text`; else as :func:`read_bytes`."""
    require_inside(path)
    return paths.read_text(path, what, most, where)


def read_lines(path: Path, what: str) -> list[str]:
    """See :func:`ssd_data.core.files.paths.read_lines`; else as :func:`read_bytes`."""
    require_inside(path)
    return paths.read_lines(path, what)


def open_regular(path: AnyPath, what: str, most: int, where: object = "") -> BinaryIO:
    """See :func:`ssd_data.core.files.paths.open_regular`; else as :func:`read_bytes`."""
    require_inside(path)
    return paths.open_regular(path, what, most, where)


def mapped(path: AnyPath, what: str, where: object) -> mmap.mmap | bytes:
    """A regular file's bytes, as many of them in memory as are looked at; else as
    :func:`read_bytes`."""
    require_inside(path)
    return paths.mapped(path, what, where)


def openable(path: AnyPath, what: str, where: object) -> AnyPath | BinaryIO:
    """A file as other packages take it that read parts of it: its path, or of a store a file of
    which only those are fetched.

    Raises:
        InputError: as :func:`require_inside`, or a store has no such file.
    """
    require_inside(path)
    if (far := remote(path)) is None:
        return path
    from ssd_data.core.files.remote import reading

    return reading.open_parts(far, what, paths.ANY_BYTES, where)


def expect(root: AnyPath, files: Iterable[AnyPath]) -> None:
    """These files below a root are read next, in about this order. Nothing is done on the disk, and
    ``files`` not asked: only a store is far enough for it to matter.
    """
    if (far := remote(root)) is not None:
        from ssd_data.core.files.remote import reading

        reading.expect(far, filter(None, map(remote, files)))


def ahead_of(root: AnyPath) -> int:
    """How many files of a root are best announced before they are read."""
    return AHEAD if remote(root) is None else FAR_AHEAD


def announce(path: str) -> None:
    """See :func:`ssd_data.core.files.paths.announce`; what leads out is not announced."""
    if not leads_out(path):
        paths.announce(path)
