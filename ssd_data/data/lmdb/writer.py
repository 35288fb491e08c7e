"""Writes LMDBs: the map grows.

The folder holds ``data.mdb`` (and ``lock.mdb``, which Caffe's readers need). Keys rise, so records
are appended; a batch is one transaction, which is written again when the map has to grow.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import lmdb

from ssd_data.core.errors import OutputError, cure
from ssd_data.data.lmdb.single import as_system

BATCH_BYTES = 1 << 20
SYNC_BYTES = 16 << 20
FIRST_MAP_SIZE = 64 << 20


class LmdbWriter:
    """Writes one new LMDB. It is durable only after :meth:`close`.

    Args:
        path: its folder, which must not be there.
        map_size: bytes that it may have before it grows.
        durable: False leaves it to whoever calls to sync the file after :meth:`close`.
        resume: it is there, as a process that has died since left it: records follow those that
            are in it. It must not be so after the machine has died.

    >>> from ssd_data import LmdbReader
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

    def __init__(
        self,
        path: Path,
        map_size: int = FIRST_MAP_SIZE,
        *,
        resume: bool = False,
        durable: bool = True,
    ) -> None:
        self.path, self.count = path, 0
        self._last_key, self._durable = b"", durable
        self._batch: list[tuple[bytes, bytes]] = []
        self._batch_bytes = self._unsynced = 0
        self._syncer = ThreadPoolExecutor(1, thread_name_prefix="ssd-data-sync")
        self._sync: Future[None] | None = None
        with _output_errors(path):
            path.mkdir(parents=True, exist_ok=resume)
            # Commits need no sync: until close() the folder bears no database's name. Nobody else
            # knows of it, so it needs no lock, which not every file system has.
            self._env = lmdb.open(
                os.fsencode(path),
                map_size=map_size,
                sync=False,
                metasync=False,
                lock=False,
            )
            if resume:
                self._go_on()

    def _go_on(self) -> None:
        self.count = int(self._env.stat()["entries"])
        with self._env.begin() as transaction:
            cursor = transaction.cursor()
            self._last_key = bytes(cursor.key()) if cursor.last() else b""

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
            if self._durable:
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


@contextmanager
def _output_errors(path: Path) -> Iterator[None]:
    """Turn LMDB's and the system's write errors into OutputError."""
    try:
        yield
    except lmdb.MapFullError:
        raise
    except (lmdb.Error, OSError) as error:
        system = as_system(error)
        hint = f"{cure(system)}; nothing that was there is changed"
        raise OutputError(f"cannot write: {system.strerror}", where=path, hint=hint) from None


def _round_up(number: int, step: int) -> int:
    return -(-number // step) * step
