"""Annotations and pictures looked at by workers, where each has a file of its own.

A format that can says which files it would read (``Format.listing``); workers read slices of them,
and what they found comes back in the order of the list, as if it had been read here. What lies in a
store is read by this process, which has listed it, and many at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import msgspec

from ssd_data.core.files.fences import Fence, fence_of, set_up_fence
from ssd_data.core.files.remote.address import remote
from ssd_data.core.notes import Tally
from ssd_data.core.parallel import chunks
from ssd_data.core.structures import Entry
from ssd_data.core.tasks import Pool
from ssd_data.data.formats import Format
from ssd_data.data.formats.pairlists import Pending

SLICE = 500  # files a task
Stamp: TypeAlias = tuple[int, int]  # of a file: size and time
Noted: TypeAlias = tuple[Tally, Entry | Pending]  # what was odd before it, and a picture
_pool: ContextVar[Pool | None] = ContextVar("pool", default=None)
_T = TypeVar("_T")
_R = TypeVar("_R")


@contextmanager
def spread_over(pool: Pool) -> Iterator[None]:
    """Let workers read meanwhile; those of this process change nothing."""
    token = _pool.set(None if pool.is_local else pool)
    try:
        yield
    finally:
        _pool.reset(token)


def entries(
    reader: Format[Any], root: Path, source: msgspec.Struct, notes: Tally
) -> Iterator[Entry]:
    """The pictures of a source, see :attr:`Format.read`."""
    pool = _pool.get()
    if pool is None or reader.listing is None or remote(root) is not None:
        yield from reader.read(root, source, notes)
        return
    listed = _Listed(reader.listing, root, source)
    place, fence = root.absolute(), fence_of(root)
    tasks = (_Slice(place, fence, some) for some in chunks(listed, SLICE))
    for odd, entry in chain.from_iterable(_in_order(pool, _read, tasks)):
        notes.merge(odd)
        assert not isinstance(entry, Pending)
        yield entry
    notes.merge(listed.last)


def stamps(root: Path, paths: Iterable[str], look: Callable[[str], Stamp]) -> Iterator[Stamp]:
    """Size and time of each file below the root, in order.

    Args:
        look: a module's function that tells them of one.
    """
    pool = _pool.get()
    if pool is None or remote(root) is not None:  # a store is listed, not asked of each
        yield from (look(f"{root}/{path}") for path in paths)
        return
    place = root.absolute()
    tasks = (_Paths([f"{place}/{path}" for path in some], look) for some in chunks(paths, SLICE))
    yield from chain.from_iterable(_in_order(pool, _look, tasks))


class _Listed:
    """What a format lists, each with what was odd about the list before it.

    Attributes:
        last: what is odd about the list behind the last picture.
    """

    def __init__(
        self,
        listing: Callable[[Path, Any, Tally], Iterator[Entry | Pending]],
        root: Path,
        source: msgspec.Struct,
    ) -> None:
        self.last = Tally()
        self._listing = listing(root, source, self.last)

    def __iter__(self) -> Iterator[Noted]:
        for one in self._listing:
            odd = Tally()
            odd.kinds, self.last.kinds = self.last.kinds, {}
            yield odd, one


@dataclass(frozen=True, slots=True)
class _Slice:
    root: Path
    fence: Fence | None
    listed: list[Noted]


@dataclass(frozen=True, slots=True)
class _Paths:
    paths: list[str]
    look: Callable[[str], Stamp]


def _read(task: _Slice) -> list[Noted]:
    """What a worker does: reads what is still to be read."""
    set_up_fence(task.fence)
    return [
        (odd, one.read(task.root, odd) if isinstance(one, Pending) else one)
        for odd, one in task.listed
    ]


def _look(task: _Paths) -> list[Stamp]:
    return list(map(task.look, task.paths))


def _in_order(pool: Pool, function: Callable[[_T], _R], tasks: Iterable[_T]) -> Iterator[_R]:
    """What comes of tasks, in their order."""
    waiting: dict[int, _R] = {}
    first = 0
    for number, found in pool.run(function, tasks):
        waiting[number] = found
        while first in waiting:
            yield waiting.pop(first)
            first += 1
