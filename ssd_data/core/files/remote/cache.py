"""Files of a store on this machine's disk: shards of LMDBs, which are mapped and not just read.

``SSD_DATA_CACHE`` names the folder, else it is ``ssd-data`` in ``$XDG_CACHE_HOME`` or ``~/.cache``;
``SSD_DATA_CACHE_SIZE`` says how much may lie there (``200G``), by default 50 GB. All processes of
the machine share it. A file is there whole or not at all, under a name made of its address, size
and ETag; those that nobody has asked for the longest go first. One that goes while it is open stays
readable until it is closed.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ssd_data.core.errors import InputError, OutputError, UsageError, cure
from ssd_data.core.files.exchange import remove_tree
from ssd_data.core.files.remote.address import RemotePath, remote
from ssd_data.core.files.remote.stores import store_of

PLACE, SIZE = "SSD_DATA_CACHE", "SSD_DATA_CACHE_SIZE"
DEFAULT = "50G"
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_PART = ".part"
_NAME = re.compile("[0-9a-f]{32}")


def on_disk(folder: Path, name: str) -> Path:
    """The folder where a file of a folder lies on this machine's disk: that folder, or one of the
    cache, into which it is fetched where it is not there yet.

    Raises:
        FileNotFoundError: a store has no such file.
        InputError: it is larger than all of the cache may be.
        StoreError: the store fails. OutputError: the cache cannot be written.
    """
    file = remote(folder)
    if file is None:
        return folder
    if not (file / name).is_file():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(file / name))
    return Cache(place(), most()).folder_of(file / name, name)


def place() -> Path:
    """Where the cache is."""
    given = os.environ.get(PLACE)
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "ssd-data"


def most() -> int:
    """How many bytes may lie there.

    Raises:
        UsageError: what is stated is no size.
    """
    text = os.environ.get(SIZE) or DEFAULT
    found = re.fullmatch(r"(\d{1,15})\s*([KMGT]?)B?", text.strip().upper())
    if found is None:
        raise UsageError(f'"{text}" is no size', where=SIZE, hint="Write it as 200G or 500M")
    return int(found[1]) * _UNITS[found[2]]


class Cache:
    """The files of stores that lie in a folder.

    Args:
        folder: the cache. size: how many bytes may lie there.
    """

    def __init__(self, folder: Path, size: int) -> None:
        self.folder, self.size = folder / "files", size

    def folder_of(self, file: RemotePath, name: str) -> Path:
        """The folder in which a file lies under this name; see :func:`on_disk`."""
        stamp = store_of(file).require(file)
        seen = file.stat()
        key = hashlib.sha256(f"{file}\0{name}\0{seen}".encode()).hexdigest()[:32]
        kept = self.folder / key
        if self._is_there(kept, name, stamp.size):
            return kept
        if stamp.size > self.size:
            raise InputError(
                f"it has {stamp.size:,} bytes, and all of the cache may have {self.size:,}",
                where=file,
                hint=f"{SIZE} says how many; of an LMDB in shards, each shard has to fit",
            )
        with self._locked(key):
            if not self._is_there(kept, name, stamp.size):
                self._fetch(file, name, key, stamp.size)
        return kept

    def _is_there(self, kept: Path, name: str, size: int) -> bool:
        """Whether a file is there; then it is the last that somebody asked for."""
        try:
            if (kept / name).stat().st_size != size:
                return False
            os.utime(kept)
        except OSError:
            return False
        return True

    @contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        """One process at a time fetches a file, or makes room for one."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.folder / f"lock-{key[:2]}", os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise self._failed(error) from None
        try:
            with suppress(OSError):  # a file system without locks: both fetch, one stays
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        except OSError as error:
            raise self._failed(error) from None
        finally:
            os.close(lock)

    def _failed(self, error: OSError) -> OutputError:
        what = f"the cache of what is read of stores cannot be written: {error.strerror}"
        hint = f"{cure(error)}; {PLACE} names another folder"
        return OutputError(what, where=self.folder.parent, hint=hint)

    def _fetch(self, file: RemotePath, name: str, key: str, size: int) -> None:
        part = self.folder / f"{key}.{os.getpid()}{_PART}"
        self._remove_parts(key)
        try:
            with self._locked("room"):
                self._make_room(size)
                part.mkdir()
                _take(part / name, size)
            store_of(file).download(file, part / name)
            remove_tree(self.folder / key)
            part.rename(self.folder / key)
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def _remove_parts(self, key: str) -> None:
        """Remove what a process that was killed had fetched of it: nobody else has its lock."""
        for left in self.folder.glob(f"{key}.*{_PART}"):
            shutil.rmtree(left, ignore_errors=True)

    def _make_room(self, wanted: int) -> None:
        """Remove the files that nobody asked for the longest, until so many bytes more may be."""
        held = sorted(self._held())
        total = sum(size for _, size, _ in held)
        for _, size, folder in held:
            if total + wanted <= self.size and shutil.disk_usage(self.folder).free >= wanted:
                return
            if _NAME.fullmatch(folder.name):
                shutil.rmtree(folder, ignore_errors=True)
                total -= size

    def _held(self) -> Iterator[tuple[int, int, Path]]:
        """When each was asked for last, its bytes and its folder; those on their way as well."""
        for folder in self.folder.iterdir():
            with suppress(OSError):
                if _NAME.fullmatch(folder.name) or folder.name.endswith(_PART):
                    size = sum(file.stat().st_size for file in folder.iterdir())
                    yield folder.stat().st_mtime_ns, size, folder


def _take(file: Path, size: int) -> None:
    """Make a file of that size, whose place on the disk is taken where the disk can do so."""
    with file.open("xb") as made:
        if hasattr(os, "posix_fallocate") and size:
            os.posix_fallocate(made.fileno(), 0, size)
        else:
            made.truncate(size)
