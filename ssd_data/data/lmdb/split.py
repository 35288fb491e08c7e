"""An LMDB cut into shards; reading them gives its records, merging them gives it back."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path

from ssd_data.core.errors import OutputError, UsageError
from ssd_data.core.files.exchange import remove_tree
from ssd_data.core.files.paths import read_bytes
from ssd_data.core.files.publish import OutFolder
from ssd_data.core.files.remote.address import as_path
from ssd_data.core.files.there import is_there
from ssd_data.core.files.whole import write_text
from ssd_data.core.progress import Track, untracked
from ssd_data.data.lmdb.companions import labelmap_file
from ssd_data.data.lmdb.forms import evenly, is_taken, require_same
from ssd_data.data.lmdb.manifest import LABELMAP
from ssd_data.data.lmdb.one_build import one_build
from ssd_data.data.lmdb.sharded import ShardedLmdb
from ssd_data.data.lmdb.shards import (
    DIGITS,
    MAX_BYTES,
    SHARDS,
    VERSION,
    Keys,
    Shard,
    ShardTable,
    is_name,
    named_after,
    number_of,
    read_shards,
)
from ssd_data.data.lmdb.single import SingleLmdb
from ssd_data.data.lmdb.store import open_stored, require_filled
from ssd_data.data.lmdb.writer import LmdbWriter

Stored = SingleLmdb | ShardedLmdb


@dataclass(frozen=True, slots=True)
class ShardResult:
    """What was cut.

    Attributes:
        out: the sharded LMDB. table: what its ``shards.json`` says.
    """

    out: Path
    table: ShardTable


def shard(
    lmdb: Path | str,
    out: Path | str,
    shards: int,
    *,
    redo: bool = False,
    track: Track = untracked,
) -> ShardResult:
    """Cut an LMDB into shards of almost as many records each. They appear together.

    Args:
        lmdb: any LMDB, a sharded one included.
        out: the folder of the sharded LMDB; that it holds the same is no error.
        shards: how many; of fewer records one each.
        redo: replace a sharded LMDB that lies there.
        track: wraps the records as they come, to show progress.

    Raises:
        InputError: there is no LMDB, or it is damaged.
        OutputError: something else lies there, or it cannot be written.
        UsageError: there cannot be so many shards.
    """
    lmdb, out = as_path(lmdb), Path(out)
    if shards < 1:
        raise UsageError(f"{shards} is less than 1", where="--shards")
    with OutFolder(out) as folder, one_build(lmdb), closing(open_stored(lmdb)) as records:
        count = require_filled(records)
        cuts, keys = _cuts(records, shards)
        if is_taken(out, redo, SHARDS):
            table = _require_same(out, records, len(cuts))
            _remove_stale(out, table)
            return ShardResult(out, table)
        items = iter(track(records.views(), count, "records"))
        made = [_write(folder.staging, keys, cut, items) for cut in cuts]
        table = ShardTable(VERSION, keys, made)
        write_text(folder.staging / SHARDS, table.to_text())
        if (labelmap := labelmap_file(lmdb)) is not None:
            (folder.staging / LABELMAP).write_bytes(read_bytes(labelmap, "labelmap", MAX_BYTES))
        folder.publish()
        _remove_stale(out, table)
    return ShardResult(out, table)


def _remove_stale(out: Path, table: ShardTable) -> None:
    """Remove the shards that lay there before; what else lies there stays."""
    names = {one.name for one in table.shards}
    for place in out.iterdir():
        if is_name(place.name) and place.name not in names:
            remove_tree(place)


def _require_same(out: Path, records: Stored, shards: int) -> ShardTable:
    require_same(out, records)
    table = read_shards(out)
    if len(table.shards) != shards:
        text = f"there are {len(table.shards):,} shards of it already"
        hint = f"--redo makes {shards:,} of them; another -o keeps it"
        raise OutputError(text, where=out, hint=hint)
    return table


@dataclass(frozen=True, slots=True)
class _Cut:
    """What a shard takes: so many records; and of numbered keys so many numbers from an offset."""

    records: int
    offset: int
    numbers: int


def _cuts(records: Stored, shards: int) -> tuple[list[_Cut], Keys]:
    """Where to cut, and whether keys can be counted from there."""
    ranges = list(evenly(len(records), shards))
    keys, firsts, last, is_numbered = records.keys(), [], -1, True
    for cut in ranges:
        for index, key in enumerate(islice(keys, len(cut))):
            number = number_of(key)
            is_numbered &= number is not None and number > last
            if index == 0:
                firsts.append(number)
            last = -1 if number is None else number
    if not is_numbered:
        return [_Cut(len(cut), cut.start, len(cut)) for cut in ranges], "stored"
    starts = [0, *(number or 0 for number in firsts[1:]), last + 1]
    pairs = zip(ranges, pairwise(starts), strict=True)
    return [_Cut(len(cut), start, end - start) for cut, (start, end) in pairs], "numbered"


def _write(folder: Path, keys: Keys, cut: _Cut, items: Iterator[tuple[bytes, memoryview]]) -> Shard:
    """The next shard, in a folder named by what is in it."""
    part, digest, size = folder / "part", hashlib.sha256(), 0
    with LmdbWriter(part) as writer:
        for read, view in islice(items, cut.records):
            key, value = read, bytes(view)
            if keys == "numbered":
                key = b"%08d%b" % ((number_of(read) or 0) - cut.offset, read[DIGITS:])
            writer.put(key, value)
            digest.update(key + b"\0" + hashlib.sha256(value).digest())
            size += len(value)
    content = digest.hexdigest()
    name = named_after("shard", content, cut.numbers)
    if is_there(folder / name):  # another holds the same
        shutil.rmtree(part)
    else:
        part.rename(folder / name)
    return Shard(name, cut.records, cut.numbers, cut.offset, size, content)
