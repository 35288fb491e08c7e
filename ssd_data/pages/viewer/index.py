"""What an LMDB's records say of themselves, read once, in the background, without the pictures."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ssd_data.core.boxes import is_empty, is_outside
from ssd_data.core.errors import InputError
from ssd_data.core.structures import Boxes, Flags, Labels
from ssd_data.data.lmdb.skim import Skimmed, skim
from ssd_data.data.lmdb.store import LmdbReader
from ssd_data.metrics.scores import Floats, Ints

BROKEN = Skimmed(0, 0, 0, False, [], [], [])
# What may be the matter with a record, by the word that stands in the address.
PROBLEMS = {
    "broken": "broken records",
    "without-boxes": "without boxes",
    "outside": "boxes that leave the picture",
    "empty": "boxes without area",
    "not-finite": "boxes that are no numbers",
    "unknown-class": "classes that the labelmap lacks",
    "difficult": "difficult boxes",
}


@dataclass(frozen=True, eq=False)
class Indexed:
    """All records of an LMDB but their pictures.

    Attributes:
        sizes: int32 (P, 2), width and height of each record in the LMDB's order; 0 where broken.
        record: int64 (M,), the record of each box; label: int32 (M,);
        boxes: float32 (M, 4), fractions; difficult: bool (M,).
        known: the labels that the labelmap holds; None where there is none.
    """

    sizes: npt.NDArray[np.int32]
    record: Ints
    label: Labels
    boxes: Boxes
    difficult: Flags
    known: frozenset[int] | None = None

    def __len__(self) -> int:
        return len(self.sizes)

    @cached_property
    def sides(self) -> Floats:
        """The square root of each box's area in stored pixels, float64 (M,); NaN: not finite."""
        with np.errstate(invalid="ignore"):
            lengths = (self.boxes[:, 2:].astype(np.float64) - self.boxes[:, :2]).clip(0)
        sides: Floats = np.sqrt((lengths * self.sizes[self.record]).prod(axis=1))
        sides[~self.finite] = np.nan
        return sides

    @cached_property
    def finite(self) -> Flags:
        """Which boxes have corners that are all numbers, bool (M,)."""
        found: Flags = np.all(np.isfinite(self.boxes), axis=1)
        return found

    @cached_property
    def problems(self) -> dict[str, Flags]:
        """Which records have each of :data:`PROBLEMS`, bool (P,)."""
        whole: Flags = np.all(self.sizes > 0, axis=1)
        known = np.ones(len(self.label), np.bool_)
        if self.known is not None:
            known = np.isin(self.label, np.array(sorted(self.known), np.int64))
        return {
            "broken": ~whole,
            "without-boxes": whole & ~self.have(np.ones(len(self.label), np.bool_)),
            "outside": self.have(self.finite & is_outside(self.boxes)),
            "empty": self.have(self.finite & is_empty(self.boxes)),
            "not-finite": self.have(~self.finite),
            "unknown-class": self.have(~known),
            "difficult": self.have(self.difficult),
        }

    def have(self, which: Flags) -> Flags:
        """Which records have at least one of some boxes, bool (M,) → bool (P,)."""
        return self.count(which) > 0

    def count(self, which: Flags) -> Ints:
        """How many of some boxes each record has, bool (M,) → int64 (P,)."""
        return np.bincount(self.record[which], minlength=len(self))

    @cached_property
    def classes(self) -> dict[int, int]:
        """Label → the number of records that have it."""
        pairs = np.unique(self.label.astype(np.int64) * len(self) + self.record)
        labels, counts = np.unique(pairs // len(self), return_counts=True)
        return dict(zip(labels.tolist(), counts.tolist(), strict=True))


class Index:
    """Reads an LMDB through, in a thread of its own.

    Attributes:
        done: how many records have been read so far.
        error: why it stopped, where the LMDB is damaged.
        ready: set when :attr:`found` is there, or the error.
    """

    def __init__(self, reader: LmdbReader, known: Collection[int] | None = None) -> None:
        self.reader = reader
        self.done = 0
        self.error: InputError | None = None
        self.ready = threading.Event()
        self.found: Indexed | None = None
        self._known = None if known is None else frozenset(known)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ssd-data-index", daemon=True)

    def start(self) -> None:
        """Begin to read; returns at once."""
        self._thread.start()

    def wait(self, tell: Callable[[int], None] = lambda done: None) -> Indexed:
        """All of it, when it has been read; ``tell`` hears how far it is.

        Raises:
            InputError: the LMDB is damaged.
        """
        while not self.ready.wait(0.1):
            tell(self.done)
        if self.found is None:
            raise self.error or InputError("reading was stopped", where=self.reader.path)
        return self.found

    def close(self) -> None:
        """Stop reading; the LMDB may be closed then."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            found = self._read()
            if found is not None:
                # Made here, that the first who asks need not wait for them.
                _ = found.sides, found.problems, found.classes
            self.found = found
        except InputError as error:
            self.error = error
        self.ready.set()

    def _read(self) -> Indexed | None:
        sizes, counts, labels = array("i"), array("q"), array("i")
        corners, difficult = array("f"), array("b")
        for key, value in self.reader.views():
            if self._stop.is_set():
                return None
            seen = _skimmed(key, value)
            sizes.extend((seen.width, seen.height))
            counts.append(len(seen.labels))
            labels.extend(seen.labels)
            for box in seen.corners:
                corners.extend(box)
            difficult.extend(seen.difficult)
            self.done += 1
        record = np.repeat(np.arange(len(counts)), np.array(counts, np.int64))
        return Indexed(
            np.array(sizes, np.int32).reshape(-1, 2),
            record,
            np.array(labels, np.int32),
            np.array(corners, np.float32).reshape(-1, 4),
            np.array(difficult, np.bool_),
            self._known,
        )


def _skimmed(key: bytes, value: memoryview) -> Skimmed:
    try:
        return skim(key, value)
    except InputError:
        return BROKEN
