"""LMDBs: a writer that grows its map and a reader that refuses what is none.

The folder holds ``data.mdb`` (and ``lock.mdb``, which Caffe's readers need). Keys rise, so records
are appended; a batch is one transaction, which is written again when the map has to grow.
"""

from __future__ import annotations

import errno
import os
import weakref
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import lmdb

from ssd_data.core.errors import InputError, OutputError, cure
from ssd_data.core.files.moving import require_settled
from ssd_data.data.lmdb.pages import require_sound
from ssd_data.data.lmdb.records import Record, decode_record
from ssd_data.data.lmdb.strangers import refuse_stranger

BATCH_BYTES = 1 << 20
SYNC_BYTES = 16 << 20
FIRST_MAP_SIZE = 64 << 20
_SHARED: weakref.WeakValueDictionary[str, LmdbReader] = weakref.WeakValueDictionary()


class LmdbWriter:
    """Writes one new LMDB. It is durable only after :meth:`close`.

    >>> with LmdbReader("test_lmdb") as records:
    ...     value = records.value(records.keys()[1])
    >>> writer = LmdbWriter(Path("one_lmdb"))
    >>> writer.put(b"00000000_one.jpg", value)
    >>> writer.close()
    >>> [record.image for record in LmdbReader("one_lmdb")]
    ['one.jpg']

    Raises:
        OutputError: the folder cannot be made or written; the disk is full.
    """

    def __init__(self, path: Path, map_size: int = FIRST_MAP_SIZE) -> None:
        self.path = path
        self.count = 0
        self._last_key = b""
        self._batch: list[tuple[bytes, bytes]] = []
        self._batch_bytes = self._unsynced = 0
        self._syncer = ThreadPoolExecutor(1, thread_name_prefix="ssd-data-sync")
        self._sync: Future[None] | None = None
        with _output_errors(path):
            path.mkdir(parents=True)
            # Commits need no sync: until close() the folder bears no database's name. Nobody else
            # knows of it, so it needs no lock, which not every file system has.
            self._env = lmdb.open(
                os.fsencode(path),
                map_size=map_size,
                sync=False,
                metasync=False,
                meminit=False,
                lock=False,
            )

    def put(self, key: bytes, value: bytes) -> None:
        """Append a record; keys must rise."""
        if key <= self._last_key:
            raise OutputError(f"key {key!r} does not follow {self._last_key!r}", where=self.path)
        if len(key) > self._env.max_key_size():
            limit = self._env.max_key_size()
            raise OutputError(f"key {key!r} is longer than LMDB's {limit} bytes", where=self.path)
        self._last_key = key
        self._batch.append((key, value))
        self._batch_bytes += len(value)
        self.count += 1
        if self._batch_bytes >= BATCH_BYTES:
            self._write()

    def _write(self) -> None:
        with _output_errors(self.path):
            while True:
                try:
                    with self._env.begin(write=True) as transaction:
                        transaction.cursor().putmulti(self._batch, append=True)
                    break
                except lmdb.MapFullError:
                    size = self._env.info()["map_size"] + 2 * self._batch_bytes
                    self._env.set_mapsize(_round_up(max(2 * size, FIRST_MAP_SIZE), 1 << 20))
        self._unsynced += self._batch_bytes
        self._batch = []
        self._batch_bytes = 0
        if self._unsynced >= SYNC_BYTES and (self._sync is None or self._sync.done()):
            self._finish_sync()
            self._sync = self._syncer.submit(self._env.sync, True)
            self._unsynced = 0

    def _finish_sync(self) -> None:
        """Wait for the sync that runs beside; its error must be raised, no later one has it."""
        with _output_errors(self.path):
            if self._sync is not None:
                self._sync.result()

    def close(self) -> None:
        """Write what is left and sync all of it to the disk, most of which has begun before."""
        self._write()
        self._finish_sync()
        self._syncer.shutdown()
        with _output_errors(self.path):
            self._env.sync(True)
            self._env.close()

    def __enter__(self) -> LmdbWriter:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self._syncer.shutdown()
            self._env.close()


class LmdbReader:
    """An AnnotatedDatum LMDB, ours or the original's, as a sequence of :class:`Record`.

    Opened without a lock, so that read-only media will do; do not read what is being written.

    >>> with LmdbReader("test_lmdb") as records:
    ...     print(len(records), [len(record.boxes) for record in records])
    4 [3, 2, 5, 4]

    Raises:
        InputError: there is no LMDB, it is empty, cut short, or holds something else; or a build
            was killed while the LMDB took its place.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._env, self._file, self._bytes = _open_existing(self.path)
        self._let_go = weakref.finalize(self, os.close, self._file)
        self._keys: list[bytes] | None = None
        self._closed = False
        if not len(self):
            self.close()
            hint = "Was it still being written, or its writer stopped? Build it anew"
            raise InputError("the LMDB is empty", where=self.path, hint=hint)

    def __len__(self) -> int:
        return int(self._env.stat()["entries"])

    def keys(self) -> list[bytes]:
        """All keys in order; the pictures' pages are not touched."""
        if self._keys is None:
            with self._reading(), self._env.begin(buffers=True) as transaction:
                self._keys = [bytes(key) for key in transaction.cursor().iternext(values=False)]
        return self._keys

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """All keys and raw values, in order."""
        with self._reading(), self._env.begin() as transaction:
            for item in transaction.cursor():
                self._require_whole()
                yield item

    def views(self) -> Iterator[tuple[bytes, memoryview]]:
        """All keys and raw values, in order, without copying a value: a view holds until the next
        is asked for, and bytes that are not looked at are not read from the disk."""
        with self._reading(), self._env.begin(buffers=True) as transaction:
            for key, value in transaction.cursor():
                self._require_whole()
                yield bytes(key), value

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
        with self._reading(), self._env.begin() as transaction:
            value = transaction.get(key)
        if value is None:
            raise InputError(
                f'no record has the key "{key.decode(errors="replace")}"', where=self.path
            )
        return bytes(value)

    def __getitem__(self, which: int | str) -> Record:
        """A record by index (0 is the first, -1 the last) or by key.

        Raises:
            InputError: there is no such record.
        """
        if isinstance(which, str):
            key = which.encode()
        else:
            try:
                key = self.keys()[which]
            except IndexError:
                raise InputError(
                    f"no record {which}: there are {len(self)}", where=self.path
                ) from None
        return self.record(key)

    def _require_whole(self) -> None:
        """What is cut off a mapped file kills the process that reads it."""
        try:
            size = os.fstat(self._file).st_size
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from None
        if size < self._bytes:
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
    try:
        key = os.path.realpath(path)
    except ValueError:  # a null byte
        raise InputError("no file can have that name", where=path) from None
    reader = _SHARED.get(key)
    if reader is None:
        reader = _SHARED[key] = LmdbReader(path)
    return reader


def is_lmdb(path: Path) -> bool:
    """Whether ``path`` is a folder with a ``data.mdb``."""
    return (path / "data.mdb").is_file()


def _open_existing(path: Path) -> tuple[lmdb.Environment, int, int]:
    """The opened LMDB, a descriptor of its file, and how many bytes that must keep."""
    refuse_stranger(path)
    data = path / "data.mdb"
    if not data.is_file():
        inside = sorted(p.name for p in path.iterdir() if is_lmdb(p)) if path.is_dir() else []
        hint = f"Here are {', '.join(inside)}: name one" if inside else ""
        raise InputError("no LMDB here: data.mdb is missing", where=path, hint=hint)
    if not data.stat().st_size:
        raise InputError("not an LMDB: data.mdb is empty", where=path)
    for folder in {path.parent, path.resolve().parent}:
        require_settled(folder)
    try:
        size = require_sound(data)
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
        system = _as_system(error)
        hint = cure(system) if system.errno else ""
        what = f"not a readable LMDB: {system.strerror}"
        raise InputError(what, where=path, hint=hint) from None


@contextmanager
def _output_errors(path: Path) -> Iterator[None]:
    """Turn LMDB's and the system's write errors into OutputError."""
    try:
        yield
    except lmdb.MapFullError:
        raise
    except (lmdb.Error, OSError) as error:
        system = _as_system(error)
        hint = f"{cure(system)}; nothing that was there is changed"
        raise OutputError(f"cannot write: {system.strerror}", where=path, hint=hint) from None


def _as_system(error: lmdb.Error | OSError) -> OSError:
    """The system's error, also where LMDB has but its text, behind the path."""
    text = str(error)
    if isinstance(error, OSError):
        return OSError(error.errno, error.strerror or text)
    code = next((code for code in errno.errorcode if text.endswith(os.strerror(code))), 0)
    return OSError(code, os.strerror(code) if code else text)


def _round_up(number: int, step: int) -> int:
    return -(-number // step) * step
