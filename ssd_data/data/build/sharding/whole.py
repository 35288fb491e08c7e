"""What a shard that was built says of itself: ``shard.json`` and ``records.txt`` in its folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from ssd_data.core.errors import InputError
from ssd_data.core.files.inside import expect
from ssd_data.core.files.paths import open_regular, read_text
from ssd_data.core.files.there import is_file
from ssd_data.core.files.typed import plain
from ssd_data.core.notes import Count, Tally
from ssd_data.data.build.convert import BuiltRecord
from ssd_data.data.build.recorded import SplitCounts
from ssd_data.data.build.sharding.ranges import Known
from ssd_data.data.lmdb.shards import Shard, is_name, number_of
from ssd_data.data.lmdb.strangers import DATA

SUMMARY, RECORDS = "shard.json", "records.txt"
FILES = (DATA, RECORDS, SUMMARY)
MOST_BYTES = 64 << 20


class ShardSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What is in a shard.

    Attributes:
        first: the picture of its first line; numbers: how many lines it takes.
        records: how many of them have a record; bytes: of all values; file: of ``data.mdb``.
        content_digest: of keys and values. classes: label → boxes. difficult: boxes.
        without_boxes: records. notes: what is odd but no error.
    """

    first: str
    numbers: int
    records: int
    bytes: int
    file: int
    content_digest: str
    classes: dict[int, int]
    difficult: int
    without_boxes: int
    notes: dict[str, Count]

    @classmethod
    def of(cls, counts: SplitCounts, first: str, numbers: int, file: int) -> ShardSummary:
        """What was counted while it was built."""
        return cls(
            first=first,
            numbers=numbers,
            records=len(counts.keys),
            bytes=counts.bytes,
            file=file,
            content_digest=counts.content_digest,
            classes=dict(sorted(counts.classes.items())),
            difficult=counts.difficult,
            without_boxes=counts.without_boxes,
            notes=counts.notes.kinds,
        )

    def to_text(self) -> str:
        """The text of ``shard.json``."""
        return json.dumps(plain(self), indent=1) + "\n"

    def to_tally(self) -> Tally:
        """Its notes."""
        tally = Tally()
        tally.kinds.update(self.notes)
        return tally

    def listed(self, name: str, offset: int) -> Shard:
        """Its entry in ``shards.json``."""
        return Shard(name, self.records, self.numbers, offset, self.bytes, self.content_digest)


def line_of_record(made: BuiltRecord) -> str:
    """The line of ``records.txt``: the record's number in the shard, its value's digest, and its
    line in the file of names and sizes."""
    return f"{number_of(made.key)} {made.digest.hex()} {made.size_line}"


def read_records(folder: Path) -> Iterator[tuple[int, bytes, str]]:
    """Number, value's digest and line of names and sizes of each record.

    Raises:
        InputError: the file is missing or holds something else.
    """
    path = folder / RECORDS
    with open_regular(path, "list of records", 1 << 40) as file:
        for number, line in enumerate(file, 1):
            try:
                stated, digest, size_line = line.decode().split(" ", 2)
                yield int(stated), bytes.fromhex(digest), size_line
            except ValueError:
                raise InputError("not a record's line", where=f"{path}:{number}") from None


def read_summary(folder: Path) -> ShardSummary | None:
    """What a shard says of itself; None where it is not whole."""
    with suppress(InputError, ValueError, RecursionError, FileNotFoundError, NotADirectoryError):
        path = folder / SUMMARY
        table = json.loads(read_text(path, "shard's record", MOST_BYTES))
        summary = msgspec.convert(table, ShardSummary, strict=False)
        if summary.file == (folder / DATA).stat().st_size and is_file(folder / RECORDS):
            return summary
    return None


def known_in(folder: Path) -> Iterator[Known]:
    """The whole shards of a folder."""
    with suppress(FileNotFoundError, NotADirectoryError):
        places = [place for place in folder.iterdir() if is_name(place.name)]
        expect(folder, (place / SUMMARY for place in places))
        for place in places:
            if (summary := read_summary(place)) is not None:
                yield Known(place.name, summary.first, summary.numbers)
