"""More detections than should lie in memory: columns that are files, and work by parts.

Up to :data:`MANY` detections all is in memory at once. Beyond, their columns are written into files
that have no name (``TMPDIR`` says where, 72 bytes a detection) and are read from there as the work
goes through them: the system keeps in memory what there is room for.
"""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from ssd_data.core.files.whole import failed

MANY = 2_000_000
PART = 1 << 18  # rows that are worked on at once
Array = npt.NDArray[Any]
Index = npt.NDArray[np.int64] | slice


class Columns:
    """Arrays of one length that grow.

    >>> columns = Columns()
    >>> columns.add(np.arange(2), np.zeros((2, 4)))
    >>> columns.add(np.arange(1), np.ones((1, 4)))
    >>> [column.shape for column in columns.whole()]
    [(3,), (3, 4)]

    Raises:
        OutputError: the files cannot be written.
    """

    def __init__(self) -> None:
        self.count = 0
        self._parts: list[Sequence[Array]] = []
        self._files: list[BinaryIO] = []
        self._close = weakref.finalize(self, _close, self._files)

    def add(self, *arrays: Array) -> None:
        """More rows: an array a column, always of the same dtypes and shapes."""
        self.count += len(arrays[0])
        self._parts.append(arrays)
        if self.count > MANY or self._files:
            self._write()

    def whole(self) -> list[Array]:
        """All rows of each column, once; what lies in files cannot be changed."""
        if not self._files:
            return [np.concatenate(column) for column in zip(*self._parts, strict=True)]
        found = [
            _mapped(file, one.dtype, (self.count, *one.shape[1:]))
            for file, one in zip(self._files, self._parts[0], strict=True)
        ]
        self._close()
        return found

    def _write(self) -> None:
        try:
            while len(self._files) < len(self._parts[0]):
                self._files.append(tempfile.TemporaryFile())  # noqa: SIM115 - closed below
            for arrays in self._parts:
                for file, array in zip(self._files, arrays, strict=True):
                    file.write(np.ascontiguousarray(array).data)
        except OSError as error:
            raise failed(error, Path(tempfile.gettempdir())) from None
        self._parts = [[array[:0] for array in self._parts[0]]]


def parts(count: int) -> Iterator[slice]:
    """So many rows, some at a time."""
    return (slice(at, min(at + PART, count)) for at in range(0, count, PART))


def by_key(keys: Array, number: int) -> list[Index]:
    """The rows of each of the keys 0 … number - 1, in their order."""
    bounds = np.arange(number + 1)
    if all((keys[p][1:] >= keys[p][:-1]).all() for p in _touching(len(keys))):
        ends = np.searchsorted(keys, bounds).tolist()
        return [slice(a, b) for a, b in pairwise(ends)]
    order = np.argsort(keys, kind="stable")
    counts = np.bincount(keys, minlength=number)
    return list(np.split(order, np.cumsum(counts)[:-1]))


def _touching(count: int) -> Iterator[slice]:
    """Parts that share a row with the next."""
    return (slice(part.start, part.stop + 1) for part in parts(count))


def _mapped(file: BinaryIO, kind: np.dtype[Any], shape: tuple[int, ...]) -> Array:
    file.flush()
    if not shape[0]:
        return np.zeros(shape, kind)
    return np.asarray(np.memmap(file, kind, "r", shape=shape))


def _close(files: list[BinaryIO]) -> None:
    """What is mapped stays readable."""
    for file in files:
        file.close()
