"""What ``core/files/paths.py`` and its neighbours do of a path, of an address."""

from __future__ import annotations

import io
import mmap
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO, cast

from ssd_data.core.errors import InputError
from ssd_data.core.files.remote.address import RemotePath
from ssd_data.core.files.remote.stores import store_of


@dataclass(frozen=True, slots=True)
class RemoteEntry:
    """What lies in a folder, as :class:`os.DirEntry` says it."""

    path: str
    name: str
    folder: bool

    def is_dir(self) -> bool:
        """Whether it is a folder."""
        return self.folder

    def is_symlink(self) -> bool:
        """A store has no links."""
        return False


def entries(path: RemotePath) -> list[RemoteEntry]:
    """What lies in a folder.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    held = store_of(path).folder(path)
    if held is None:
        raise FileNotFoundError(2, "No such folder", str(path))
    names = [*((name, True) for name in held.folders), *((name, False) for name in held.files)]
    return [RemoteEntry(f"{path}/{name}", name, folder) for name, folder in names]


def read_start(
    path: RemotePath, what: str, most: int, where: object, start: int, again: bool = False
) -> tuple[bytes, int]:
    """A picture's first bytes, and how many it has; of one that is no larger all, not kept."""
    size, store = _size(path, what, most, where), store_of(path)
    if again and size <= start:
        spool, kept = store.kept(path)
        return spool.read(kept), size
    return (store.start_of(path, start) if size > start else store.bytes_of(path)), size


def read_bytes(path: RemotePath, what: str, most: int, where: object) -> bytes:
    """A file's bytes; it may be read again."""
    _size(path, what, most, where)
    spool, kept = store_of(path).kept(path)
    return spool.read(kept)


def open_regular(path: RemotePath, what: str, most: int, where: object) -> BinaryIO:
    """A file to be read piece by piece, and again."""
    _size(path, what, most, where)
    spool, kept = store_of(path).kept(path)
    return cast(BinaryIO, io.BufferedReader(spool.opened(kept)))


def mapped(path: RemotePath, what: str, most: int, where: object) -> mmap.mmap | bytes:
    """A file's bytes, as many of them in memory as are looked at."""
    _size(path, what, most, where)
    spool, kept = store_of(path).kept(path)
    return spool.mapped(kept)


def open_parts(path: RemotePath, what: str, most: int, where: object) -> BinaryIO:
    """A file of which only parts are read."""
    _size(path, what, most, where)
    return cast(BinaryIO, io.BufferedReader(store_of(path).parts_of(path)))


def announce(path: RemotePath) -> None:
    """A picture is read soon."""
    store_of(path).announce(path)


def expect(root: RemotePath, paths: Iterable[RemotePath]) -> None:
    """Files below a root that are read next."""
    store_of(root).expect(paths)


def _size(path: RemotePath, what: str, most: int, where: object) -> int:
    store = store_of(path)
    found = store.file(path)
    if found is None:
        if store.folder(path) is not None:
            raise InputError(f"the {what} is no regular file", where=where)
        raise InputError(f"the {what} is missing", where=where, hint=near(path))
    if found.st_size > most:
        raise InputError(f"the {what} is larger than {most} bytes", where=where)
    return found.st_size


def near(path: RemotePath) -> str:
    """See :func:`ssd_data.core.files.near.near_file`."""
    from ssd_data.core.files.near import by_fold, spelling_hint

    held = store_of(path).folder(path.parent)
    return spelling_hint(path.name, by_fold((*held.files, *held.folders))) if held else ""
