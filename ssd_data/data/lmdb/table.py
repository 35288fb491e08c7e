"""The boxes of all records of an LMDB as arrays, read without the pictures."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ssd_data.core.progress import Track, untracked
from ssd_data.core.structures import Boxes, Flags, Labels
from ssd_data.data.lmdb.records import image_of, key_text
from ssd_data.data.lmdb.skim import Skimmed, skim
from ssd_data.data.lmdb.store import LmdbReader

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
BROKEN = Skimmed(0, 0, 0, False, [], [], [])


@dataclass(frozen=True, eq=False)
class BoxTable:
    """P records and their M boxes, in the LMDB's order.

    Attributes:
        keys: of the records, as stored.
        faults: what is wrong with each record; empty where nothing is.
        channels: int32 (P,); sizes: int32 (P, 2), width and height; 0 where a record is broken.
        record: int64 (M,), each box's record; labels: int32 (M,);
        boxes: float32 (M, 4), fractions; difficult: bool (M,).
    """

    keys: list[bytes]
    faults: list[str]
    channels: npt.NDArray[np.int32]
    sizes: npt.NDArray[np.int32]
    record: Ints
    labels: Labels
    boxes: Boxes
    difficult: Flags

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def names(self) -> list[str]:
        """The keys as text that can be printed."""
        return [key_text(key) for key in self.keys]

    @cached_property
    def images(self) -> list[str]:
        """The pictures' paths, which are the keys without their numbers."""
        return [image_of(key.decode("utf-8", "backslashreplace")) for key in self.keys]

    def rows(self) -> Iterator[slice]:
        """The boxes of each record in turn."""
        ends = np.searchsorted(self.record, np.arange(len(self) + 1)).tolist()
        return (slice(start, end) for start, end in pairwise(ends))

    def count(self, which: Flags | None = None) -> Ints:
        """How many boxes each record has, or how many of some, bool (M,); int64 (P,)."""
        record = self.record if which is None else self.record[which]
        return np.bincount(record, minlength=len(self))

    @cached_property
    def finite(self) -> Flags:
        """Which boxes have corners that are all numbers; bool (M,)."""
        finite: Flags = np.all(np.isfinite(self.boxes), axis=1)
        return finite

    @cached_property
    def sides(self) -> Floats:
        """Widths and heights in pixels of the stored pictures, float64 (M, 2); odd as they are."""
        # In double, since a hostile box can be as wide as single precision reaches.
        boxes = self.boxes.astype(np.float64)
        with np.errstate(invalid="ignore"):  # of infinite corners
            sides: Floats = (boxes[:, 2:] - boxes[:, :2]) * self.sizes[self.record]
        return sides

    @cached_property
    def sound(self) -> Flags:
        """Which boxes are finite and have an area; bool (M,)."""
        sound: Flags = self.finite & np.all(self.sides > 0, axis=1)
        return sound


class BoxColumns:
    """Collects records one by one, a few numbers of each, and makes a :class:`BoxTable` of them.

    >>> columns = BoxColumns()
    >>> seen = Skimmed(3, 48, 64, True, [2], [(0.0, 0.0, 0.5, 1.0)], [False])
    >>> columns.add(b"00000000_a.jpg", seen)
    >>> table = columns.table()
    >>> table.images, table.labels, table.sides
    (['a.jpg'], array([2], dtype=int32), array([[32., 48.]]))
    """

    def __init__(self) -> None:
        self._keys: list[bytes] = []
        self._faults: list[str] = []
        self._counts, self._labels = array("q"), array("i")
        self._channels, self._sizes = array("i"), array("i")
        self._corners, self._difficult = array("f"), array("b")

    def add(self, key: bytes, seen: Skimmed, fault: str = "") -> None:
        """Take in the next record; a broken one is :data:`BROKEN`, with what is wrong with it."""
        self._keys.append(key)
        self._faults.append(fault)
        self._channels.append(seen.channels)
        self._sizes.extend((seen.width, seen.height))
        self._counts.append(len(seen.labels))
        self._labels.extend(seen.labels)
        self._corners.extend(chain.from_iterable(seen.corners))
        self._difficult.extend(seen.difficult)

    def table(self) -> BoxTable:
        """All of them so far."""

        def column(values: array[Any], kind: Any) -> Any:
            return np.array(values, kind)

        return BoxTable(
            self._keys,
            self._faults,
            column(self._channels, np.int32),
            column(self._sizes, np.int32).reshape(-1, 2),
            np.repeat(np.arange(len(self._counts)), column(self._counts, np.int64)),
            column(self._labels, np.int32),
            column(self._corners, np.float32).reshape(-1, 4),
            column(self._difficult, np.bool_),
        )


def read_table(reader: LmdbReader, track: Track = untracked) -> BoxTable:
    """The boxes of all records.

    Args:
        track: wraps the records as they come, to show progress.

    Raises:
        InputError: a record is no AnnotatedDatum, or the LMDB is damaged.
    """
    columns = BoxColumns()
    for key, value in track(reader.views(), len(reader), "records"):
        with reader.naming():
            columns.add(key, skim(key, value))
    return columns.table()
