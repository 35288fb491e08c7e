"""One LMDB, opened: its keys and values as they are stored. What is none is refused.

Opened without a lock, so that read-only media will do. What is cut off a mapped file kills the
process that reads it: so its size is looked at before each look into it.
"""

from __future__ import annotations

import errno
import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lmdb

from ssd_data.core.errors import InputError, cure
from ssd_data.core.files.moving import require_settled
from ssd_data.core.files.remote.cache import on_disk
from ssd_data.core.files.there import is_file, is_there
from ssd_data.data.lmdb.pages import require_sound
from ssd_data.data.lmdb.strangers import DATA, refuse_stranger


class SingleLmdb:
    """The records of one ``data.mdb``.

    Args:
        path: its folder.
        known: how many bytes it must keep, where its tree was found sound before.

    Attributes:
        bytes: how many bytes it must keep for as long as it is open.

    Raises:
        InputError: there is no LMDB, it is cut short, damaged, or holds something else; or a build
            was killed while the LMDB took its place.
    """

    def __init__(self, path: Path, known: int | None = None) -> None:
        self.path = path
        self._env, self._file, self.bytes = _open_held(path, known)
        self._let_go = weakref.finalize(self, os.close, self._file)
        self._closed = False

    def __len__(self) -> int:
        return int(self._env.stat()["entries"])

    def keys(self) -> Iterator[bytes]:
        """All keys in order; the pictures' pages are not touched."""
        with self._reading(), self._env.begin(buffers=True) as transaction:
            yield from map(bytes, transaction.cursor().iternext(values=False))

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """All keys and values, in order."""
        with self._reading(), self._env.begin() as transaction:
            for item in transaction.cursor():
                self._require_whole()
                yield item

    def views(self, start: int = 0) -> Iterator[tuple[bytes, memoryview]]:
        """All keys and values but the first so many, in order, without copying a value: a view
        holds until the next is asked for."""
        with self._reading(), self._env.begin(buffers=True) as transaction:
            cursor = transaction.cursor()
            for number, (key, value) in enumerate(cursor):
                self._require_whole()
                if number >= start:
                    yield bytes(key), value

    def last_key(self) -> bytes | None:
        """The last key; None where there is no record."""
        with self._reading(), self._env.begin() as transaction:
            cursor = transaction.cursor()
            return bytes(cursor.key()) if cursor.last() else None

    def value(self, key: bytes) -> bytes | None:
        """One value; None where there is no such key."""
        with self._reading(), self._env.begin() as transaction:
            found: bytes | None = transaction.get(key)
        return found

    def _require_whole(self) -> None:
        try:
            size = os.fstat(self._file).st_size
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from None
        if size < self.bytes:
            text = "the LMDB has been cut short since it was opened"
            raise InputError(text, where=self.path, hint="Is something copied over it?")

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            if not self._closed:
                self._require_whole()
            yield
        except lmdb.Error as error:
            if not self._closed:  # else a loop that was left early is being put away
                raise InputError(f"the LMDB is damaged: {error}", where=self.path) from None

    def close(self) -> None:
        """Let go of the files."""
        self._closed = True
        self._env.close()
        self._let_go()


def _open_held(path: Path, known: int | None) -> tuple[lmdb.Environment, int, int]:
    """As :func:`_open_existing`; of a store's the file that is kept on this machine's disk."""
    for again in (True, True, False):
        try:
            place = on_disk(path, DATA)
        except FileNotFoundError:
            raise InputError("no LMDB here: data.mdb is missing", where=path) from None
        try:
            return _open_existing(place, known)
        except InputError as error:
            if again and place != path and not is_there(place / DATA):
                continue  # another process made room meanwhile
            error.where = error.where.replace(str(place), str(path))
            raise
    raise AssertionError


def _open_existing(path: Path, known: int | None) -> tuple[lmdb.Environment, int, int]:
    """The opened LMDB, a descriptor of its file, and how many bytes that must keep."""
    data = path / DATA
    if known is None:
        refuse_stranger(path)
    if not is_file(data):
        raise InputError("no LMDB here: data.mdb is missing", where=path)
    if not data.stat().st_size:
        raise InputError("not an LMDB: data.mdb is empty", where=path)
    for folder in {path.parent, path.resolve().parent}:
        require_settled(folder)
    try:
        size = require_sound(data) if known is None else known
        file = os.open(data, os.O_RDONLY)
        try:
            env = lmdb.open(os.fsencode(path), readonly=True, lock=False, create=False, max_dbs=0)
        except (lmdb.Error, ValueError):
            os.close(file)
            raise
        return env, file, size
    except ValueError:  # it has become empty
        raise InputError("not an LMDB: data.mdb is empty", where=path) from None
    except (lmdb.Error, OSError) as error:
        system = as_system(error)
        hint = cure(system) if system.errno else ""
        what = f"not a readable LMDB: {system.strerror}"
        raise InputError(what, where=path, hint=hint) from None


def as_system(error: lmdb.Error | OSError) -> OSError:
    """The system's error, also where LMDB has but its text, behind the path."""
    text = str(error)
    if isinstance(error, OSError):
        return OSError(error.errno, error.strerror or text)
    code = next((code for code in errno.errorcode if text.endswith(os.strerror(code))), 0)
    return OSError(code, os.strerror(code) if code else text)
