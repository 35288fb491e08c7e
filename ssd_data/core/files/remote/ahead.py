"""Files of a store that are on their way before they are read, and those that came to stay."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from ssd_data.core.files.spool import Kept, Spool

WAITING = 256  # files that nobody has read yet
BYTES = 256 << 20  # of those that wait in memory
LARGE = 16 << 20  # a file that is not fetched before it is read


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file of a store: its key, its size, and what changes with its content."""

    key: str
    size: int
    changed: int


class Ahead:
    """Fetches files in threads: for any number of readers, each file once.

    Args:
        threads: how many requests may be on their way.
        fetch: gives a file's bytes. keep: fetches a file into the spool.
    """

    def __init__(
        self,
        threads: int,
        spool: Spool,
        fetch: Callable[[Wanted], bytes],
        keep: Callable[[Wanted], Kept],
    ) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="ssd-data-remote")
        self._spool, self._fetch, self._keep = spool, fetch, keep
        self._lock, self._telling = threading.Lock(), threading.Lock()
        self._coming: OrderedDict[Wanted, tuple[Future[bytes], int]] = OrderedDict()
        self._bytes = 0
        self._kept: dict[Wanted, Future[Kept] | Kept] = {}
        self._expected: Iterator[Wanted] = iter(())
        self._unread: set[Wanted] = set()

    def announce(self, file: Wanted) -> None:
        """A file is read soon, once."""
        if file.size > LARGE:
            return
        with self._lock:
            if file in self._coming or file in self._kept:
                return
            while self._coming and (
                len(self._coming) >= WAITING or self._bytes + file.size > BYTES
            ):
                _, (oldest, size) = self._coming.popitem(last=False)  # nobody came for it
                oldest.cancel()
                self._bytes -= size
            self._coming[file] = self._pool.submit(self._fetch, file), file.size
            self._bytes += file.size

    def bytes_of(self, file: Wanted) -> bytes:
        """A file's bytes, which are not kept."""
        with self._lock:
            found = self._coming.pop(file, None)
            if found is not None:
                self._bytes -= found[1]
            kept = self._kept.get(file)
        if kept is not None:
            return self._spool.read(self.kept(file))
        return found[0].result() if found is not None else self._fetch(file)

    def expect(self, files: Iterator[Wanted]) -> None:
        """These are read next, in about this order, and kept; whatever was expected before is not.
        They are asked for one by one, as those before them are read.
        """
        with self._lock:
            self._expected = files
            self._unread.clear()
        self._top_up()

    def kept(self, file: Wanted) -> Kept:
        """Where a file is kept; it is fetched if it was not yet."""
        with self._lock:
            found = self._kept.get(file)
            if found is None:
                found = self._kept[file] = self._pool.submit(self._keep, file)
            self._unread.discard(file)
        self._top_up()
        if isinstance(found, Kept):
            return found
        try:
            kept = found.result()
        except BaseException:
            with self._lock:
                self._kept.pop(file, None)
            raise
        with self._lock:
            self._kept[file] = kept
        return kept

    def _top_up(self) -> None:
        """Ask for more of what is expected. To find out what that is may need a file, too."""
        if not self._telling.acquire(blocking=False):
            return
        try:
            while len(self._unread) < WAITING:
                file = next(self._expected, None)
                if file is None:
                    return
                with self._lock:
                    if file not in self._kept and file.size <= LARGE:
                        self._kept[file] = self._pool.submit(self._keep, file)
                        self._unread.add(file)
        finally:
            self._telling.release()
