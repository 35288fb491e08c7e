"""What the rules of ``ssd-data check`` look at: one record, and a whole LMDB or split."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ssd_data.core.labelmap import LabelMap
from ssd_data.core.notes import Tally
from ssd_data.core.structures import Flags
from ssd_data.data.lmdb.manifest import BuiltSplit, Manifest
from ssd_data.data.lmdb.records import Record
from ssd_data.data.lmdb.skim import skimmed
from ssd_data.data.lmdb.survey import Look, bands, box_text
from ssd_data.data.lmdb.table import BROKEN, BoxColumns, BoxTable


@dataclass(frozen=True, slots=True)
class RecordCase:
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


@dataclass
class SplitSummary:
    """One LMDB or split, as its records add up.

    Attributes:
        name: the LMDB's or split's name.
        labelmap: None where there is none.
        keys: all keys; none for a split of a raw data set.
        pictures: per digest of stored bytes the first record that has them.
        twins: the further records that have the same bytes as another.
        channels: per number of channels the records that have it.
        content: the digest that ``build.json`` has as ``content_digest``.
        made: what ``build.json`` says about it; ``manifest``: all of ``build.json``.
        name_size: its file of names and sizes, None where there is none.
    """

    name: str
    labelmap: LabelMap | None
    made: BuiltSplit | None = None
    manifest: Manifest | None = None
    name_size: Path | None = None
    keys: list[bytes] = field(default_factory=list)
    value_bytes: int = 0
    pictures: dict[bytes, str] = field(default_factory=dict)
    twins: Tally = field(default_factory=Tally)
    channels: Tally = field(default_factory=Tally)
    content: Any = field(default_factory=hashlib.sha256)
    columns: BoxColumns = field(default_factory=BoxColumns)

    @cached_property
    def table(self) -> BoxTable:
        """The boxes of all records; asked for when all have been added."""
        return self.columns.table()

    def add(self, seen: Look, digest: bytes) -> None:
        """Take in one record; ``digest`` is that of its picture's bytes."""
        record = seen.record
        self.columns.add(seen.key, skimmed(record) if record else BROKEN)
        if record is None:
            return
        stored = bands(seen.info) if seen.info else None
        self.channels.add(str(stored or record.channels), seen.name)
        first = self.pictures.setdefault(digest, seen.name) if record.data else seen.name
        if first != seen.name:
            self.twins.add("twin", f"{seen.name} is the picture of {first}")
