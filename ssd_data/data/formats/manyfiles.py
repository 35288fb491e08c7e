"""Annotations that are a file a picture: read here, or by workers, who take slices of them.

A format lists what it would read, reads each, and goes on with what was found: :func:`each`. What
comes of it is the same whoever reads, down to the order of what is odd.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from ssd_data.core.errors import InputError
from ssd_data.core.files import inside
from ssd_data.core.files.fences import Fence, fence_of, set_up_fence
from ssd_data.core.files.remote.known import KnownFiles, known_files, take_known
from ssd_data.core.files.spill import Spill
from ssd_data.core.notes import Tally
from ssd_data.core.parallel import chunks
from ssd_data.core.structures import Entry, Unreadable
from ssd_data.core.tasks import Pool, in_order

SLICE = 500  # files a task
T = TypeVar("T")
R = TypeVar("R")
T_contra = TypeVar("T_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)
Listing = Callable[[Tally], Iterable[T]]
Kept = dict[Hashable, tuple[Spill[Entry], Tally]]
_reading: ContextVar[tuple[Pool, Kept] | None] = ContextVar("reading", default=None)


@contextmanager
def read_by(pool: Pool) -> Iterator[None]:
    """Let workers read meanwhile; those of this process change nothing."""
    token = _reading.set(None if pool.is_local else (pool, {}))
    try:
        yield
    finally:
        _reading.reset(token)


def workers() -> Pool | None:
    """Those who read, None where this process does."""
    reading = _reading.get()
    return None if reading is None else reading[0]


def read_once(
    key: Hashable, read: Callable[[Tally], Iterator[Entry]], notes: Tally, again: bool
) -> Iterator[Entry]:
    """What is read; by workers, who may be another one the next time, it is not read twice.

    Args:
        key: names it. again: it will be asked for once more.
    """
    reading = _reading.get()
    if reading is None:
        yield from read(notes)
        return
    kept = reading[1]
    if key in kept:
        entries, odd = kept[key] if again else kept.pop(key)
        notes.merge(odd)
        yield from entries
        return
    entries, odd = Spill[Entry](), Tally()
    for entry in read(odd):
        if again:
            entries.append(entry)
        yield entry
    notes.merge(odd)
    if again:
        kept[key] = entries, odd


def expect(root: Path, files: Iterable[Path]) -> None:
    """See :func:`ssd_data.core.files.inside.expect`; what workers read is not fetched here."""
    if workers() is None:
        inside.expect(root, files)


class Reader(Protocol[T_contra, R_co]):
    """What reads files, and may gather something from all of them. It can be pickled."""

    def files(self, item: T_contra) -> Iterable[str]:
        """The files that are read for something that is listed, below the root."""

    def read(self, root: Path, item: T_contra, notes: Tally) -> R_co:
        """What is read, or what keeps it from being read."""

    def fresh(self) -> Reader[T_contra, R_co]:
        """One that has gathered nothing."""

    def merge(self, other: Any) -> None:
        """Take in what another has gathered from the files behind."""


class Waiting(Protocol):
    """A picture whose annotation is still to be read."""

    @property
    def file(self) -> str:
        """Where that is, below the root."""

    def read(self, root: Path, notes: Tally) -> Entry:
        """The picture.

        Raises:
            InputError: it cannot be read; the picture is an unreadable one then.
        """

    def unreadable(self, error: InputError) -> Unreadable:
        """What it is then."""


class EntryReader:
    """Reads pictures that wait to be read, among those that do not."""

    def files(self, item: Entry | Waiting) -> Iterable[str]:
        """See :class:`Reader`."""
        return () if isinstance(item, Entry) else (item.file,)

    def read(self, root: Path, item: Entry | Waiting, notes: Tally) -> Entry:
        """See :class:`Reader`."""
        if isinstance(item, Entry):
            return item
        try:
            return item.read(root, notes)
        except InputError as error:
            return item.unreadable(error)

    def fresh(self) -> EntryReader:
        """See :class:`Reader`."""
        return self

    def merge(self, other: object) -> None:
        """It gathers nothing."""


def entries(root: Path, listing: Listing[Entry | Waiting], notes: Tally) -> Iterator[Entry]:
    """The pictures of a list, of which some wait to be read."""
    return (entry for _, entry in each(root, listing, EntryReader(), notes))


def each(
    root: Path, listing: Listing[T], reader: Reader[T, R], notes: Tally
) -> Iterator[tuple[T, R]]:
    """All that is listed, with what was read, in that order.

    Args:
        listing: tells it, and what is odd of it. reader: has gathered all in the end.
        notes: takes what is odd, in the order of one who reads each file when it is listed.
    """
    pool = workers()
    if pool is None:
        for item in listing(notes):
            yield item, reader.read(root, item, notes)
        return
    sent = _Sent(root, reader, listing)
    for found, gathered in in_order(pool, _read, sent.slices()):
        for odd, item, result in found:
            notes.merge(odd)
            yield item, result
        reader.merge(gathered)
    notes.merge(sent.last)


@dataclass(frozen=True, slots=True)
class _Slice(Generic[T, R]):
    root: Path
    fence: Fence | None
    known: KnownFiles | None
    reader: Reader[T, R]
    listed: list[tuple[Tally, T]]


class _Sent(Generic[T, R]):
    """What a format lists, each with what was odd about the list before it, by slices.

    Attributes:
        last: what is odd about the list behind the last of it.
    """

    def __init__(self, root: Path, reader: Reader[T, R], listing: Listing[T]) -> None:
        self.root, self.reader, self.last = root, reader, Tally()
        self._listing = listing(self.last)

    def slices(self) -> Iterator[_Slice[T, R]]:
        """The tasks."""
        place, fence = self.root.absolute(), fence_of(self.root)
        for some in chunks(self._noted(), SLICE):
            files = (file for _, item in some for file in self.reader.files(item))
            yield _Slice(place, fence, known_files(self.root, files), self.reader.fresh(), some)

    def _noted(self) -> Iterator[tuple[Tally, T]]:
        for item in self._listing:
            odd = Tally()
            odd.kinds, self.last.kinds = self.last.kinds, {}
            yield odd, item


def _read(task: _Slice[T, R]) -> tuple[list[tuple[Tally, T, R]], Reader[T, R]]:
    """What a worker does."""
    set_up_fence(task.fence)
    take_known(task.root, task.known)
    files = (file for _, item in task.listed for file in task.reader.files(item))
    inside.expect(task.root, (task.root / file for file in files))
    found = [(odd, item, task.reader.read(task.root, item, odd)) for odd, item in task.listed]
    return found, task.reader
