"""AnnotatedDatum LMDBs as sequences of records: one LMDB, or many that are read as one."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ssd_data.core.errors import InputError
from ssd_data.core.files.remote.address import as_path
from ssd_data.core.files.there import is_file, is_folder
from ssd_data.data.lmdb.records import Record, decode_record
from ssd_data.data.lmdb.sharded import ShardedLmdb
from ssd_data.data.lmdb.shards import SHARDS, read_shards
from ssd_data.data.lmdb.single import SingleLmdb
from ssd_data.data.lmdb.strangers import DATA, refuse_stranger

_SHARED: weakref.WeakValueDictionary[str, LmdbReader] = weakref.WeakValueDictionary()


class LmdbReader:
    """An AnnotatedDatum LMDB, ours or the original's, as a sequence of :class:`Record`.

    A sharded one is read as the LMDB that ``ssd-data merge`` makes of it. Opened without a lock, so
    that read-only media will do; do not read what is being written.

    >>> with LmdbReader("test_lmdb") as records:
    ...     print(len(records), [len(record.boxes) for record in records])
    4 [3, 2, 5, 4]

    Raises:
        InputError: there is no LMDB, it is empty, cut short, or holds something else; or a build
            was killed while the LMDB took its place.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = as_path(path)
        self._stored = open_stored(self.path)
        self._keys: list[bytes] | None = None
        try:
            require_filled(self._stored)
        except InputError:
            self.close()
            raise

    def __len__(self) -> int:
        return len(self._stored)

    def keys(self) -> list[bytes]:
        """All keys in order; the pictures' pages are not touched."""
        if self._keys is None:
            self._keys = list(self._stored.keys())
        return self._keys

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """All keys and raw values, in order."""
        return self._stored.items()

    def views(self) -> Iterator[tuple[bytes, memoryview]]:
        """All keys and raw values, in order, without copying a value: a view holds until the next
        is asked for, and bytes that are not looked at are not read from the disk."""
        return self._stored.views()

    def __iter__(self) -> Iterator[Record]:
        for key, value in self.items():
            yield self.record(key, value)

    def record(self, key: bytes, value: bytes | None = None) -> Record:
        """A record, decoded of its raw value where that was read before.

        Raises:
            InputError: there is none, or it is no AnnotatedDatum.
        """
        value = self.value(key) if value is None else value
        with self.naming():
            return decode_record(key, value)

    @contextmanager
    def naming(self) -> Iterator[None]:
        """Errors about a record, which name its key, name the LMDB as well."""
        try:
            yield
        except InputError as error:
            where = f"{self.path}: {error.where}"
            raise InputError(error.what, where=where, hint=error.hint) from None

    def value(self, key: bytes) -> bytes:
        """One raw value.

        Raises:
            InputError: there is no such key.
        """
        value = self._stored.value(key)
        if value is None:
            raise InputError(
                f'no record has the key "{key.decode(errors="replace")}"', where=self.path
            )
        return value

    def key_at(self, index: int) -> bytes:
        """The key of a record by its index, 0 to ``len - 1``. Of a sharded LMDB no more keys are
        kept than those of the few shards that are open.

        Raises:
            InputError: there is no such record.
        """
        if not 0 <= index < len(self):
            raise InputError(f"no record {index}: there are {len(self)}", where=self.path)
        if isinstance(self._stored, ShardedLmdb):
            return self._stored.key_at(index)
        return self.keys()[index]

    def __getitem__(self, which: int | str) -> Record:
        """A record by index (0 is the first, -1 the last) or by key.

        Raises:
            InputError: there is no such record.
        """
        if isinstance(which, str):
            return self.record(which.encode())
        if not -len(self) <= which < len(self):
            raise InputError(f"no record {which}: there are {len(self)}", where=self.path)
        return self.record(self.key_at(which % len(self)))

    def close(self) -> None:
        """Let go of the files."""
        self._stored.close()

    def __enter__(self) -> LmdbReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_shared(path: Path | str) -> LmdbReader:
    """A reader that all who ask for the same folder share, since LMDB opens one but once a process.

    Do not close it: it closes when nobody holds it any longer.

    Raises:
        InputError: as :class:`LmdbReader`.
    """
    path = as_path(path)
    try:
        key = str(path.resolve())
    except ValueError:  # a null byte
        raise InputError("no file can have that name", where=path) from None
    reader = _SHARED.get(key)
    if reader is None:
        reader = _SHARED[key] = LmdbReader(path)
    return reader


def is_lmdb(path: Path) -> bool:
    """Whether ``path`` is a folder with a ``data.mdb``, or a sharded LMDB."""
    return is_file(path / DATA) or is_sharded(path)


def is_sharded(path: Path) -> bool:
    """Whether ``path`` is a folder with a ``shards.json``."""
    return is_file(path / SHARDS)


def require_filled(stored: SingleLmdb | ShardedLmdb) -> int:
    """How many records there are.

    Raises:
        InputError: none.
    """
    if not len(stored):
        hint = "Was it still being written, or its writer stopped? Build it anew"
        raise InputError("the LMDB is empty", where=stored.path, hint=hint)
    return len(stored)


def files_of(path: Path) -> list[str]:
    """The files that an LMDB consists of, below its folder; the first changes when any does.

    Raises:
        InputError: ``shards.json`` says what cannot be.
    """
    if not is_sharded(path):
        return [DATA]
    names = dict.fromkeys(shard.name for shard in read_shards(path).shards)
    return [SHARDS, *(f"{name}/{DATA}" for name in names)]


def bytes_on_disk(path: Path) -> int:
    """How many bytes an LMDB's files have.

    Raises:
        InputError: as :func:`files_of`. OSError: a file is not there.
    """
    return sum((path / name).stat().st_size for name in files_of(path))


def open_stored(path: Path) -> SingleLmdb | ShardedLmdb:
    """An LMDB's keys and values.

    Raises:
        InputError: as :class:`LmdbReader`, but that it may be empty.
    """
    there = is_file(path / DATA)
    if is_sharded(path):
        if there:
            raise InputError(
                f"there are both {DATA} and {SHARDS}: which of the two is meant?",
                where=path,
                hint="Move the one that is not",
            )
        return ShardedLmdb(path)
    if not there:
        refuse_stranger(path)
        inside = sorted(p.name for p in path.iterdir() if is_lmdb(p)) if is_folder(path) else []
        hint = f"Here are {', '.join(inside)}: name one" if inside else ""
        raise InputError("no LMDB here: data.mdb is missing", where=path, hint=hint)
    return SingleLmdb(path)
