"""What does not lie in memory and may be read again: one file without a name, which goes with the
process however that ends. ``TMPDIR`` says where.
"""

from __future__ import annotations

import io
import mmap
import os
import tempfile
import threading
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

from ssd_data.core.errors import OutputError

_PAGE = mmap.ALLOCATIONGRANULARITY
LARGE = 16 * _PAGE  # from here on what is kept begins at a page, so that it can be mapped


class Kept(NamedTuple):
    """Where something lies in the spool."""

    start: int
    size: int


class Spool:
    """Takes files and gives them back; for any number of threads.

    Args:
        what: is kept in it.
    """

    def __init__(self, what: str = "what is read of a store") -> None:
        self._what = what
        with tempfile.TemporaryFile() as made:  # which has no name
            self._file = os.dup(made.fileno())
        weakref.finalize(self, os.close, self._file)
        self._end = 0
        self._lock = threading.Lock()

    def room(self, size: int) -> Kept:
        """Room for a file, which is not there yet."""
        with self._lock:
            start = -(-self._end // _PAGE) * _PAGE if size >= LARGE else self._end
            self._end = start + size
        return Kept(start, size)

    def write(self, data: bytes, at: int) -> None:
        """Put a file, or a part of one, into its room.

        Raises:
            OutputError: the disk is full.
        """
        view = memoryview(data)
        try:
            while view:
                done = os.pwrite(self._file, view, at)
                view, at = view[done:], at + done
        except OSError as error:
            what = f"{self._what} cannot be kept: {error.strerror}"
            hint = "Free space there, or name another folder in TMPDIR"
            raise OutputError(what, where=tempfile.gettempdir(), hint=hint) from None

    def read(self, kept: Kept) -> bytes:
        """A file's bytes."""
        return self.part(kept.start, kept.size)

    def part(self, at: int, size: int) -> bytes:
        """Some bytes."""
        parts = []
        while size and (part := os.pread(self._file, size, at)):
            parts.append(part)
            size, at = size - len(part), at + len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def opened(self, kept: Kept) -> PartFile:
        """A file to be read piece by piece."""
        return PartFile(kept.size, lambda at, size: self.part(kept.start + at, size))

    def mapped(self, kept: Kept) -> mmap.mmap | bytes:
        """A file's bytes; those of a large one are read when they are looked at."""
        if kept.size < LARGE:
            return self.read(kept)
        return mmap.mmap(self._file, kept.size, offset=kept.start, access=mmap.ACCESS_READ)


class PartFile(io.RawIOBase):
    """A file to be read piece by piece, wherever its pieces come from.

    Args:
        size: how many bytes it has. part: gives some of them, from a place on.
    """

    def __init__(self, size: int, part: Callable[[int, int], bytes]) -> None:
        super().__init__()
        self._size, self._part, self._at = size, part, 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go somewhere."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(start + offset, 0)
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Read as much as fits and is there."""
        size = max(min(len(buffer), self._size - self._at), 0)
        data = self._part(self._at, size) if size else b""
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
