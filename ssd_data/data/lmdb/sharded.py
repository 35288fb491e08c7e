"""Many LMDBs read as one: the records of all shards, in order.

A shard is opened when something of it is asked for, and of those that nobody reads only a few stay
open: there may be thousands, and a process may have but so many files.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from ssd_data.core.errors import InputError
from ssd_data.core.files.moving import require_settled
from ssd_data.core.files.there import Stamp, look_at
from ssd_data.data.lmdb.shards import DIGITS, SHARDS, Shard, as_read, number_of, read_shards
from ssd_data.data.lmdb.single import SingleLmdb
from ssd_data.data.lmdb.strangers import DATA

MOST_OPEN = 8
LEAST_RECORD = 18  # bytes that LMDB's own notes of a record and a numbered key take
AGAIN = "Build it again: shards that are whole are taken as they are"


@dataclass(slots=True)
class _Opened:
    """A shard that is open, and how many are reading it."""

    lmdb: SingleLmdb
    readers: int = 0
    keys: list[bytes] | None = None


class ShardedLmdb:
    """The records of all shards; as :class:`ssd_data.data.lmdb.single.SingleLmdb`.

    Args:
        path: the folder with ``shards.json``.

    Attributes:
        table: what that says.

    Raises:
        InputError: ``shards.json`` says what cannot be, or a shard is missing. What is wrong within
            a shard is raised when it is opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        for folder in {path.parent, path.resolve().parent}:
            require_settled(folder)
        self._mark = _stamp(path / SHARDS)
        self.table = read_shards(path)
        self._is_numbered = self.table.keys == "numbered"
        self._starts = list(accumulate((s.records for s in self.table.shards), initial=0))
        self._offsets = [shard.offset for shard in self.table.shards]
        self._firsts: list[bytes] | None = None
        self._open: OrderedDict[str, _Opened] = OrderedDict()
        self._known: dict[str, tuple[Stamp | None, int]] = {}
        self._lock = threading.RLock()
        self._closed = False
        for shard in {shard.name: shard for shard in self.table.shards}.values():
            self._require_there(shard)

    def _require_there(self, shard: Shard) -> None:
        """What is stated of a shard must be possible: whoever reads it makes room for so much."""
        place = self.path / shard.name
        stamp = _stamp(place / DATA)
        if stamp is None:
            raise self._missing(place)
        if shard.records * LEAST_RECORD > stamp.size:
            text = f"it has {stamp.size:,} bytes: too few for {shard.records:,} records"
            raise InputError(text, where=place, hint=AGAIN)

    def _missing(self, place: Path) -> InputError:
        if _stamp(self.path / SHARDS) != self._mark:
            text = "it was built anew, or changed, while it was being read"
            return InputError(text, where=self.path, hint="Run this again")
        hint = f"Copy it from where it came from, or build again ({SHARDS} names it)"
        return InputError("a shard is missing", where=place, hint=hint)

    def __len__(self) -> int:
        return self._starts[-1]

    def keys(self) -> Iterator[bytes]:
        """All keys in order, as the merged LMDB has them."""
        for number in range(len(self.table.shards)):
            with self._using(number) as opened:
                yield from self._as_read(number, opened.lmdb.keys())

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """All keys and values, in order."""
        for key, value in self.views():
            yield key, bytes(value)

    def views(self, start: int = 0) -> Iterator[tuple[bytes, memoryview]]:
        """All keys and values but the first so many, in order, without copying a value: a view
        holds until the next is asked for."""
        for number in range(max(0, bisect_right(self._starts, start) - 1), len(self.table.shards)):
            left_out = max(0, start - self._starts[number])
            with self._using(number) as opened:
                for key, value in opened.lmdb.views(left_out):
                    yield self._shown(number, key), value

    def key_at(self, index: int) -> bytes:
        """The key of a record by its index, 0 to ``len - 1``."""
        number = bisect_right(self._starts, index) - 1
        with self._using(number) as opened:
            if opened.keys is None:
                opened.keys = list(opened.lmdb.keys())
            return self._shown(number, opened.keys[index - self._starts[number]])

    def value(self, key: bytes) -> bytes | None:
        """One value by its key; None where there is no such key."""
        if not self._is_numbered:
            number = bisect_right(self._first_keys(), key) - 1
        elif (stated := number_of(key)) is None:
            return None
        else:
            number = bisect_right(self._offsets, stated) - 1
            key = b"%08d%b" % (stated - self._offsets[number], key[DIGITS:])
        if number < 0:
            return None
        with self._using(number) as opened:
            return opened.lmdb.value(key)

    def _first_keys(self) -> list[bytes]:
        if self._firsts is None:
            self._firsts = [self.key_at(start) for start in self._starts[:-1]]
        return self._firsts

    def _as_read(self, number: int, keys: Iterator[bytes]) -> Iterator[bytes]:
        return (self._shown(number, key) for key in keys)

    def _shown(self, number: int, key: bytes) -> bytes:
        if not self._is_numbered:
            return key
        shown = as_read(key, self._offsets[number])
        if shown is None:
            text = f"the key {key!r} has no number, as {SHARDS} says that all have"
            raise InputError(text, where=self.path / self.table.shards[number].name, hint=AGAIN)
        return shown

    @contextmanager
    def _using(self, number: int) -> Iterator[_Opened]:
        """A shard, which stays open meanwhile."""
        shard = self.table.shards[number]
        with self._lock:
            opened = self._open.get(shard.name)
            if opened is None:
                opened = self._open[shard.name] = _Opened(self._opened(number, shard))
            self._open.move_to_end(shard.name)
            opened.readers += 1
        try:
            yield opened
        finally:
            with self._lock:
                opened.readers -= 1
                self._let_go(0 if self._closed else MOST_OPEN)

    def _let_go(self, most: int) -> None:
        """Close those that nobody reads, the longest unused first, until so many are left."""
        idle = [name for name, one in self._open.items() if not one.readers]
        for name in idle[: max(0, len(self._open) - most)]:
            self._open.pop(name).lmdb.close()

    def _opened(self, number: int, shard: Shard) -> SingleLmdb:
        place = self.path / shard.name
        stamp = _stamp(place / DATA)
        if self._closed:
            raise InputError("it is closed", where=self.path)
        if stamp is None:
            raise self._missing(place)
        known = self._known.get(shard.name)
        if known is not None and known[0] == stamp:
            return SingleLmdb(place, known[1])
        lmdb = SingleLmdb(place)
        try:
            self._require_stated(number, shard, lmdb)
        except BaseException:
            lmdb.close()
            raise
        self._known[shard.name] = stamp, lmdb.bytes
        return lmdb

    def _require_stated(self, number: int, shard: Shard, lmdb: SingleLmdb) -> None:
        """A shard must hold what ``shards.json`` says."""
        if len(lmdb) != shard.records:
            text = f"it has {len(lmdb):,} records, {SHARDS} says {shard.records:,}"
            raise InputError(text, where=lmdb.path, hint=AGAIN)
        if not self._is_numbered:
            return
        key = lmdb.last_key()
        stated = number_of(key or b"")
        if key is not None and (stated is None or stated >= shard.numbers):
            text = f"the key {key!r} is not among the {shard.numbers:,} that {SHARDS} says"
            raise InputError(text, where=lmdb.path, hint=AGAIN)

    def close(self) -> None:
        """Let go of the files; those that are being read when that ends."""
        with self._lock:
            self._closed = True
            self._let_go(0)


def _stamp(file: Path) -> Stamp | None:
    try:
        return look_at(file)
    except (FileNotFoundError, NotADirectoryError):
        return None
