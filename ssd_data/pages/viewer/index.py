"""What an LMDB's records say of themselves, read once, in the background, without the pictures."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ssd_data.core.boxes import is_empty, is_outside
from ssd_data.core.errors import InputError
from ssd_data.core.structures import Flags
from ssd_data.data.lmdb.skim import Skimmed, skim
from ssd_data.data.lmdb.store import LmdbReader
from ssd_data.data.lmdb.table import BROKEN, BoxColumns, BoxTable
from ssd_data.metrics.scores import Floats

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
class Indexed(BoxTable):
    """All records of an LMDB but their pictures.

    Attributes:
        known: the labels that the labelmap holds; None where there is none.
    """

    known: frozenset[int] | None = None

    @cached_property
    def lengths(self) -> Floats:
        """The square root of each box's area in stored pixels, float64 (M,); NaN: not finite."""
        lengths: Floats = np.sqrt(self.sides.clip(0).prod(axis=1))
        lengths[~self.finite] = np.nan
        return lengths

    @cached_property
    def problems(self) -> dict[str, Flags]:
        """Which records have each of :data:`PROBLEMS`, bool (P,)."""
        whole: Flags = np.all(self.sizes > 0, axis=1)
        known = np.ones(len(self.labels), np.bool_)
        if self.known is not None:
            known = np.isin(self.labels, np.array(sorted(self.known), np.int64))
        return {
            "broken": ~whole,
            "without-boxes": whole & (self.count() == 0),
            "outside": self.have(self.finite & is_outside(self.boxes)),
            "empty": self.have(self.finite & is_empty(self.boxes)),
            "not-finite": self.have(~self.finite),
            "unknown-class": self.have(~known),
            "difficult": self.have(self.difficult),
        }

    def have(self, which: Flags) -> Flags:
        """Which records have at least one of some boxes, bool (M,) → bool (P,)."""
        return self.count(which) > 0

    @cached_property
    def classes(self) -> dict[int, int]:
        """Label → the number of records that have it."""
        pairs = np.unique(self.labels.astype(np.int64) * len(self) + self.record)
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
                _ = found.lengths, found.problems, found.classes
            self.found = found
        except InputError as error:
            self.error = error
        self.ready.set()

    def _read(self) -> Indexed | None:
        columns = BoxColumns()
        for key, value in self.reader.views():
            if self._stop.is_set():
                return None
            columns.add(key, _skimmed(key, value))
            self.done += 1
        return Indexed(**vars(columns.table()), known=self._known)


def _skimmed(key: bytes, value: memoryview) -> Skimmed:
    try:
        return skim(key, value)
    except InputError:
        return BROKEN
