"""What the rules of ``ssd-data check`` look at: one record, and a whole LMDB or split."""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ssd_data.core.labelmap import LabelMap
from ssd_data.core.notes import Tally
from ssd_data.core.structures import Flags
from ssd_data.data.lmdb.manifest import Manifest
from ssd_data.data.lmdb.records import Record
from ssd_data.data.lmdb.survey import Look, bands, box_text


@dataclass(frozen=True, slots=True)
class Case:
    """One record to judge.

    Attributes:
        seen: the record as it was found.
        labelmap: None where there is none.
        places: where each box stands in its annotation; empty for an LMDB's records.
    """

    seen: Look
    labelmap: LabelMap | None
    places: Sequence[str] = ()

    def at(self, record: Record, which: Flags) -> Iterator[str]:
        """The places of some of the record's boxes; ``which`` is bool (N,)."""
        for index in np.flatnonzero(which):
            where = self.places[int(index)] if self.places else self.seen.name
            yield f"{where}: {box_text(record, int(index), self.labelmap)}"


@dataclass(slots=True)
class Whole:
    """One LMDB or split, as its records add up.

    Attributes:
        name: the LMDB's or split's name.
        labelmap: None where there is none.
        keys: all keys; none for a split of a raw data set.
        pictures: per digest of stored bytes the first record that has them.
        twins: the further records that have the same bytes as another.
        channels: per number of channels the records that have it.
        labels: the number of boxes of each label.
        sizes: height and width of each record in turn; -1 where it cannot be read.
        content: the digest that ``build.json`` has as ``content_digest``.
        made: what ``build.json`` says about it; ``manifest``: all of ``build.json``.
        name_size: its file of names and sizes, None where there is none.
    """

    name: str
    labelmap: LabelMap | None
    made: dict[str, Any] = field(default_factory=dict)
    manifest: Manifest | None = None
    name_size: Path | None = None
    keys: list[bytes] = field(default_factory=list)
    records: int = 0
    value_bytes: int = 0
    difficult: int = 0
    without_boxes: int = 0
    pictures: dict[bytes, str] = field(default_factory=dict)
    twins: Tally = field(default_factory=Tally)
    channels: Tally = field(default_factory=Tally)
    labels: Counter[int] = field(default_factory=Counter)
    sizes: array[int] = field(default_factory=lambda: array("i"))
    content: Any = field(default_factory=hashlib.sha256)

    def add(self, seen: Look, digest: bytes) -> None:
        """Take in one record; ``digest`` is that of its picture's bytes."""
        self.records += 1
        record = seen.record
        self.sizes.extend((record.height, record.width) if record else (-1, -1))
        if record is None:
            return
        self.difficult += int(record.difficult.sum())
        self.without_boxes += not len(record.labels)
        self.labels.update(record.labels.tolist())
        stored = bands(seen.info) if seen.info else None
        self.channels.add(str(stored or record.channels), seen.name)
        first = self.pictures.setdefault(digest, seen.name) if record.data else seen.name
        if first != seen.name:
            self.twins.add("twin", f"{seen.name} is the picture of {first}")
