"""Rows that may be too many for memory: beyond some they lie in a file, see ``spool.py``."""

from __future__ import annotations

import pickle
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar, overload

from ssd_data.core.files.spool import Kept, Spool

T = TypeVar("T")
BLOCK = 64  # rows that are written and read together
HELD = 2048 * BLOCK  # rows that need no file
PARTS = 256  # in which rows are sorted
WHAT = "what is read of the data set"


class Spill(Sequence[T]):
    """Rows that can be pickled, added at the end and read by their numbers, best in order.

    >>> rows = Spill("abc")
    >>> rows.append("d")
    >>> len(rows), rows[1], rows[2:], list(rows)
    (4, 'b', ['c', 'd'], ['a', 'b', 'c', 'd'])

    Args:
        held: how many stay in memory as they are, by default :data:`HELD`.
        spool: gives where others go, else they have a file of their own.

    Raises:
        OutputError: the file cannot be written.
    """

    def __init__(
        self,
        rows: Iterable[T] = (),
        held: int | None = None,
        spool: Callable[[], Spool] | None = None,
    ) -> None:
        self._most, self._spool_of = HELD if held is None else held, spool
        self._spool: Spool | None = None
        self._rows: list[T] = []  # all; once there is a file, those that make no whole block
        self._starts, self._sizes = array("Q"), array("Q")  # of the blocks in the file
        self._read: tuple[int, list[T]] = (-1, [])  # the last of them that was asked for
        for row in rows:
            self.append(row)

    def __reduce__(self) -> tuple[Any, ...]:
        """As a list: what is sent elsewhere is short."""
        return Spill, (list(self),)

    def append(self, row: T) -> None:
        """One more row."""
        self._rows.append(row)
        if len(self._rows) >= self._most + BLOCK:
            self._write()

    def __len__(self) -> int:
        return len(self._starts) * BLOCK + len(self._rows)

    def __iter__(self) -> Iterator[T]:
        for number in range(len(self._starts)):
            yield from self._load(number)
        yield from self._rows

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        if isinstance(index, slice):
            return [self[number] for number in range(len(self))[index]]
        number = range(len(self))[index]
        block, row = divmod(number, BLOCK)
        if block >= len(self._starts):
            return self._rows[number - len(self._starts) * BLOCK]
        read = self._read
        if read[0] != block:
            self._read = read = block, self._load(block)
        return read[1][row]

    def _load(self, block: int) -> list[T]:
        assert self._spool is not None
        data = self._spool.read(Kept(self._starts[block], self._sizes[block]))
        rows: list[T] = pickle.loads(data)
        return rows

    def _write(self) -> None:
        """Write what makes whole blocks; from now on each block as it is whole."""
        if self._spool is None:
            self._spool = self._spool_of() if self._spool_of else Spool(WHAT)
        self._most = 0
        whole = len(self._rows) // BLOCK * BLOCK
        for start in range(0, whole, BLOCK):
            data = pickle.dumps(self._rows[start : start + BLOCK], pickle.HIGHEST_PROTOCOL)
            kept = self._spool.room(len(data))
            self._spool.write(data, kept.start)
            self._starts.append(kept.start)
            self._sizes.append(kept.size)
        del self._rows[:whole]


class Ordered(Generic[T]):
    """Rows given out by keys of 0 to 1, of one key as they came.

    >>> rows = Ordered(iter([0.5, 0.1, 0.5]).__next__)
    >>> for row in "abc":
    ...     rows.append(row)
    >>> len(rows), list(rows)
    (3, ['b', 'a', 'c'])

    Args:
        key: gives a row's; they are evenly spread. held: as :class:`Spill` takes it.
    """

    def __init__(self, key: Callable[[], float], held: int | None = None) -> None:
        self._key = key
        self._spool: Spool | None = None
        each = max(0, (HELD if held is None else held) // PARTS - BLOCK)
        self._parts = [Spill[tuple[float, T]]((), each, self._shared) for _ in range(PARTS)]

    def append(self, row: T) -> None:
        """One more row."""
        key = self._key()
        self._parts[int(key * PARTS)].append((key, row))

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def __iter__(self) -> Iterator[T]:
        for part in self._parts:
            for _, row in sorted(part, key=_first):
                yield row

    def _shared(self) -> Spool:
        if self._spool is None:
            self._spool = Spool(WHAT)
        return self._spool


def _first(pair: tuple[float, object]) -> float:
    return pair[0]
