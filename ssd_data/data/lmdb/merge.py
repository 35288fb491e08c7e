"""A sharded LMDB as the one LMDB that it is read as: a real Caffe knows no other."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from ssd_data.core.errors import InputError, OutputError
from ssd_data.core.files.exchange import remove_tree
from ssd_data.core.files.paths import read_bytes
from ssd_data.core.files.publish import OutFolder
from ssd_data.core.files.remote.address import as_path
from ssd_data.core.files.resumable import part_of, this_boot
from ssd_data.core.files.there import is_folder
from ssd_data.core.files.unlocked import own_name
from ssd_data.core.files.whole import write_whole
from ssd_data.core.progress import Track, untracked
from ssd_data.data.lmdb.companions import labelmap_file
from ssd_data.data.lmdb.forms import is_taken, require_same
from ssd_data.data.lmdb.manifest import LABELMAP
from ssd_data.data.lmdb.one_build import one_build
from ssd_data.data.lmdb.sharded import ShardedLmdb
from ssd_data.data.lmdb.shards import MAX_BYTES, SHARDS
from ssd_data.data.lmdb.single import SingleLmdb
from ssd_data.data.lmdb.store import bytes_on_disk, is_lmdb, is_sharded, require_filled
from ssd_data.data.lmdb.strangers import DATA, refuse_stranger
from ssd_data.data.lmdb.writer import FIRST_MAP_SIZE, LmdbWriter

MERGED, JOURNAL = "merged", "source.json"


@dataclass(frozen=True, slots=True)
class MergeResult:
    """What a merge did.

    Attributes:
        out: the LMDB. records: in it; bytes: of its file.
        resumed: how many a merge that was interrupted had written; all, if the LMDB was there.
    """

    out: Path
    records: int
    bytes: int
    resumed: int


def merge(
    source: Path | str, out: Path | str, *, redo: bool = False, track: Track = untracked
) -> MergeResult:
    """Write the records of a sharded LMDB into one LMDB, which appears when it is whole.

    One that was interrupted goes on where it was. The labelmap is copied into the LMDB's folder.

    Args:
        source: the folder with ``shards.json``.
        out: the LMDB's folder; that it holds the same is no error.
        redo: replace an LMDB that lies there.
        track: wraps the records as they come, to show progress.

    Raises:
        InputError: there is no sharded LMDB, or a shard is missing or damaged.
        OutputError: something else lies there, or it cannot be written.
    """
    source, out = as_path(source), Path(out)
    _require_sharded(source)
    with OutFolder(out) as folder, one_build(source), closing(ShardedLmdb(source)) as records:
        count = require_filled(records)
        part = part_of(folder) if folder.locked else own_name(part_of(folder))
        if is_taken(out, redo, DATA):
            require_same(out, records)
            remove_tree(part)
            return MergeResult(out, count, bytes_on_disk(out), count)
        done = _begin(part, source, records)
        _write(part / MERGED, records, done, track)
        _stage(part / MERGED / DATA, folder.staging / DATA)
        if (labelmap := labelmap_file(source)) is not None:
            (folder.staging / LABELMAP).write_bytes(read_bytes(labelmap, "labelmap", MAX_BYTES))
        folder.publish()
        remove_tree(part)
    return MergeResult(out, count, bytes_on_disk(out), done)


def _require_sharded(source: Path) -> None:
    if is_sharded(source):
        return
    refuse_stranger(source)
    if is_lmdb(source):
        hint = "ssd-data shard LMDB -o DIR --shards N makes shards of it"
        raise InputError("this LMDB is whole already", where=source, hint=hint)
    inside = sorted(p.name for p in source.iterdir() if is_sharded(p)) if is_folder(source) else []
    hint = f"Here are {', '.join(inside)}: name one" if inside else ""
    raise InputError(f"no sharded LMDB here: {SHARDS} is missing", where=source, hint=hint)


def _begin(part: Path, source: Path, records: ShardedLmdb) -> int:
    """How many records are written already, by a process that has died since."""
    identity = hashlib.sha256(read_bytes(source / SHARDS, "list of shards", MAX_BYTES)).hexdigest()
    wanted = {"source": identity, "boot": this_boot()}
    if done := _done(part, wanted, records):
        return done
    remove_tree(part)
    part.mkdir(parents=True)
    write_whole(part / JOURNAL, json.dumps(wanted), sync=False)
    return 0


def _done(part: Path, wanted: dict[str, str], records: ShardedLmdb) -> int:
    """0 also where what lies there is of no use."""
    try:
        if not wanted["boot"] or json.loads((part / JOURNAL).read_text()) != wanted:
            return 0
        with closing(SingleLmdb(part / MERGED)) as there:
            count = len(there)
            if not 0 < count <= len(records) or there.last_key() != records.key_at(count - 1):
                return 0
            return count
    except (OSError, ValueError, InputError, RecursionError):
        return 0


def _write(path: Path, records: ShardedLmdb, done: int, track: Track) -> None:
    size = max(2 * bytes_on_disk(records.path), FIRST_MAP_SIZE)
    rest = track(records.views(done), len(records) - done, "records")
    with LmdbWriter(path, size, resume=done > 0) as writer:
        for key, value in rest:
            writer.put(key, bytes(value))
    if writer.count != len(records):
        text = f"{writer.count:,} of {len(records):,} records were written"
        raise OutputError(text, where=path)


def _stage(file: Path, staged: Path) -> None:
    """Stage it, and keep it until it is published where a file may have two names."""
    try:
        os.link(file, staged)
    except OSError:
        shutil.move(file, staged)
