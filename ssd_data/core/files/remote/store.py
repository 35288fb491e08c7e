"""A store that a user has named: listed once, each file of it fetched once, several at a time.

What is read of it:

* pictures: their bytes, which nobody keeps;
* all else (annotations, lists): kept in a :class:`Spool`, since formats look at it more than once.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from posixpath import normpath
from typing import TYPE_CHECKING, Any

from ssd_data.core.files.remote.ahead import Ahead, Wanted
from ssd_data.core.files.remote.fetching import ShortError, StoreError, attempt
from ssd_data.core.files.remote.listing import (
    StoredFile,
    StoredFolder,
    StoreListing,
    found_of,
    names_of,
)
from ssd_data.core.files.remote.opening import (
    all_below,
    info_of,
    opened,
    quoted,
    threads_of,
    unquoted,
)
from ssd_data.core.files.spool import Kept, PartFile, Spool

if TYPE_CHECKING:
    from ssd_data.core.files.remote.address import RemotePath

PIECE = 16 << 20  # of a large file
PARTS = 8  # of one that are on their way at once
SMALL = 1 << 20  # a part of one that is kept


class Store:
    """What lies below one address.

    Args:
        root: the address. user: name and password that it was given with.
        flat: only what lies right there is known, not what lies in its folders.

    Attributes:
        taken: whether a data set was found in it: who names it again looks for another.
    """

    def __init__(self, root: str, user: str = "", flat: bool = False) -> None:
        self.root, self.user, self.flat = root, user, flat
        self.taken = False
        self._listing: StoreListing | None = None
        self._told = False  # what it lists, another process has found
        self.forget_connection()

    def forget_connection(self) -> None:
        """Begin anew with all that belongs to a process; what was listed stays."""
        self._lock = threading.RLock()
        self._fs: Any = None
        self._top = ""
        self._spool: Spool | None = None
        self._ahead: Ahead | None = None
        self._parts: dict[tuple[str, int, int], Kept] = {}

    def know(self, files: Mapping[str, StoredFile] | None) -> None:
        """These are all that there are, by their keys.

        Args:
            files: None where it is to be listed after all.
        """
        if files is None and not self._told:
            return
        listing = StoreListing(self.root)
        for key, found in (files or {}).items():
            listing.add(key, found)
        with self._lock:
            self._told = files is not None
            self._listing = listing if self._told else None
            self._parts = {}

    @property
    def fs(self) -> Any:
        """fsspec's file system."""
        with self._lock:
            if self._fs is None:
                self._fs, self._top = opened(self.root, self.user)
            return self._fs

    @property
    def listing(self) -> StoreListing:
        """All that there is.

        Raises:
            StoreError: the store does not tell.
            InputError: a key is no path.
        """
        if self._listing is None:
            with self._lock:
                self._listing = self._listing or self._listed()
        return self._listing

    def _listed(self) -> StoreListing:
        listing, fs = StoreListing(self.root, self.flat), self.fs
        try:
            if self.flat:
                held = self._attempt(partial(fs.ls, self._top, detail=True), self.root)
                infos = {info["name"]: info for info in held}
            else:
                infos = self._attempt(partial(all_below, fs, self._top), self.root)
        except FileNotFoundError:
            return listing
        known = names_of(infos.items(), self._top)
        for key, found in self._with_sizes([(key, found_of(info)) for key, info in known]):
            if key:
                listing.add(unquoted(self.root, key), found)
            else:
                listing.whole = found
        listing.settle()
        return listing

    def _with_sizes(self, files: list[tuple[str, StoredFile]]) -> Iterable[tuple[str, StoredFile]]:
        """The same; a store that lists no sizes is asked for each."""

        fs = self.fs

        def ask(file: tuple[str, StoredFile]) -> tuple[str, StoredFile]:
            key, found = file
            if found.st_size >= 0 or key.endswith("/"):
                return file
            name = self._top + (f"/{key}" if key else "")
            return key, found_of(self._attempt(partial(info_of, fs, name), name))

        if all(found.st_size >= 0 for _, found in files):
            return files
        with ThreadPoolExecutor(threads_of(fs)) as pool:
            return list(pool.map(ask, files))

    def key_of(self, path: RemotePath) -> str | None:
        """A path below the root; None of one that leads out or can be none."""
        key = str(path)[len(self.root) :].removeprefix("/")
        if "." in key or "//" in key:
            if key.startswith("/") or "//" in key:
                return None
            key = normpath(key) if key else ""
            key = "" if key == "." else key
        return None if key == ".." or key.startswith("../") else key

    def file(self, path: RemotePath) -> StoredFile | None:
        """What is known of a file; None where there is none."""
        if not (key := self.key_of(path)):
            return self.listing.whole if key is not None else None
        folder, _, name = key.rpartition("/")
        held = self._known(folder, path)
        return held.files.get(name) if held else None

    def folder(self, path: RemotePath) -> StoredFolder | None:
        """A folder; None where nothing lies in it."""
        key = self.key_of(path)
        return None if key is None else self._known(key, path)

    def _known(self, key: str, path: RemotePath) -> StoredFolder | None:
        """A folder that was looked into.

        Raises:
            RuntimeError: it was not: whoever asks has skipped a door.
        """
        folders = self.listing.folders
        held = folders.get(key)
        if held is None and self.flat:
            held = folders.get(key.partition("/")[0])
        if held is not None and not held.known:
            raise RuntimeError(f"{path} is asked for, and nobody has named it")
        return held

    def _wanted(self, path: RemotePath) -> Wanted | None:
        found, key = self.file(path), self.key_of(path)
        return None if found is None or key is None else Wanted(key, *found)

    def require(self, path: RemotePath) -> Wanted:
        """A file.

        Raises:
            FileNotFoundError: there is none.
        """
        found = self._wanted(path)
        if found is None:
            raise FileNotFoundError(str(path))
        return found

    def bytes_of(self, path: RemotePath) -> bytes:
        """A file's bytes, which are not kept: another time they are fetched again."""
        return self._coming.bytes_of(self.require(path))

    def start_of(self, path: RemotePath, size: int) -> bytes:
        """A file's first bytes."""
        return self._part(self.require(path), 0, size)

    def kept(self, path: RemotePath) -> tuple[Spool, Kept]:
        """A file that may be read again."""
        return self._spooled, self._coming.kept(self.require(path))

    def announce(self, path: RemotePath) -> None:
        """Its bytes are wanted soon, once."""
        if (file := self._wanted(path)) is not None:
            self._coming.announce(file)

    def expect(self, paths: Iterable[RemotePath]) -> None:
        """These will be kept soon, in about this order."""
        self._coming.expect(filter(None, map(self._wanted, paths)))

    def parts_of(self, path: RemotePath) -> PartFile:
        """A file of which only parts are read, each when it is asked for; a small one is kept, and
        of a large one its small parts, which tell of the others.
        """
        file = self.require(path)
        if file.size <= PIECE:
            spool, kept = self.kept(path)
            return spool.opened(kept)
        return PartFile(file.size, partial(self._kept_part, file))

    def _kept_part(self, file: Wanted, start: int, size: int) -> bytes:
        if size > SMALL:
            return self._part(file, start, size)
        spool, part = self._spooled, (file.key, start, size)
        if (kept := self._parts.get(part)) is None:
            data, kept = self._part(file, start, size), spool.room(size)
            spool.write(data, kept.start)
            self._parts[part] = kept
        return spool.read(kept)

    @property
    def _spooled(self) -> Spool:
        with self._lock:
            if self._spool is None:
                self._spool = Spool()
            return self._spool

    def download(self, path: RemotePath, target: Path) -> None:
        """A file's bytes into one of this machine that has its size; several parts at once.

        Raises:
            StoreError: the store fails. OSError: the disk does.
        """
        file = self.require(path)

        def fetch(at: int) -> None:
            data, start = memoryview(self._part(file, at, min(PIECE, file.size - at))), at
            while data:
                done = os.pwrite(descriptor, data, start)
                data, start = data[done:], start + done

        descriptor = os.open(target, os.O_WRONLY)
        try:
            with ThreadPoolExecutor(min(PARTS, threads_of(self.fs))) as pool:
                for _ in pool.map(fetch, range(0, file.size, PIECE)):
                    pass
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def put(self, path: RemotePath, file: Path) -> None:
        """Send a file of this machine there.

        Raises:
            StoreError: the store fails, or does not let one write.
        """
        name = self._name_of(path)
        self._attempt(partial(self.fs.put_file, str(file), name), str(path))

    def remove(self, paths: Iterable[RemotePath]) -> None:
        """Remove files.

        Raises:
            StoreError: the store fails. FileNotFoundError: there is no such file.
        """
        names = list(map(self._name_of, paths))
        if names:
            self._attempt(partial(self.fs.rm, names), self.root)

    def look_anew(self) -> None:
        """List again what there is, when somebody asks."""
        with self._lock:
            self._listing = None

    def _name_of(self, path: RemotePath) -> str:
        key = self.key_of(path)
        assert key is not None
        fs = self.fs
        fs.invalidate_cache()
        return self._top + (f"/{quoted(self.root, key)}" if key else "")

    @property
    def _coming(self) -> Ahead:
        with self._lock:
            if self._ahead is None:
                threads = threads_of(self.fs)
                self._ahead = Ahead(threads, self._spooled, self._whole, self._into_spool)
            return self._ahead

    def _whole(self, file: Wanted) -> bytes:
        return self._part(file, 0, file.size) if file.size else b""

    def _into_spool(self, file: Wanted) -> Kept:
        spool = self._spooled
        kept = spool.room(file.size)
        for at in range(0, file.size, PIECE):
            spool.write(self._part(file, at, min(PIECE, file.size - at)), kept.start + at)
        return kept

    def _part(self, file: Wanted, start: int, size: int) -> bytes:
        """Some bytes of a file, in one request.

        Raises:
            StoreError: the store fails, or the file is not as it was listed.
        """
        end, whole = start + size, start + size == file.size
        name = self._top + (f"/{quoted(self.root, file.key)}" if file.key else "")
        shown = f"{self.root}/{file.key}" if file.key else self.root

        def ask() -> bytes:
            # One byte more than there should be would tell that the file has grown.
            data: bytes = self._fs.cat_file(name, start=start, end=end + whole)
            if len(data) == file.size > size:  # it knows no parts
                data = data[start:end]
            if len(data) != size:
                raise ShortError(
                    f"the store lists {file.size} bytes, and sends "
                    f"{'more' if len(data) > size else start + len(data)}"
                )
            return data

        try:
            return bytes(self._attempt(ask, shown))
        except FileNotFoundError:
            what, hint = "it was listed, and is gone now", "Try again when nobody changes it"
            raise StoreError(what, where=shown, hint=hint) from None

    def _attempt(self, ask: Any, where: str) -> Any:
        return attempt(ask, where.replace(f"{self.user}@", "") if self.user else where, self.user)
