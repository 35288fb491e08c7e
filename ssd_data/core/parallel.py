"""Work in threads, results in order, memory bounded.

Threads suffice: reading files, OpenCV, hashing and LMDB all let go of the interpreter's lock.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

_T = TypeVar("_T")
_R = TypeVar("_R")
CHUNK = 4


def default_workers() -> int:
    """One worker a processor that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def chunks(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """The items in lists of so many; the last may be shorter.

    >>> list(chunks("abcde", 2))
    [['a', 'b'], ['c', 'd'], ['e']]
    """
    source = iter(items)
    return iter(lambda: list(islice(source, size)), [])


def ordered_map(
    function: Callable[[_T], _R], items: Iterable[_T], workers: int, chunk_size: int = CHUNK
) -> Iterator[_R]:
    """``map(function, items)`` in ``workers`` threads; never far ahead of the consumer.

    Of ``items`` at most ``(2 * workers + 1) * chunk_size`` are worked on or wait.
    The results, their order and the first exception are those of ``map``.
    """
    if workers <= 1:
        yield from map(function, items)
        return

    def run(chunk: list[_T]) -> list[_R]:
        return [function(item) for item in chunk]

    pending: deque[Future[list[_R]]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="ssd-data") as pool:
        try:
            for chunk in chunks(items, chunk_size):
                pending.append(pool.submit(run, chunk))
                if len(pending) > 2 * workers:
                    yield from pending.popleft().result()
            while pending:
                yield from pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
