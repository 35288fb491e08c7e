"""The building of one shard: a function and a task that can be sent to another machine."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from ssd_data.core.errors import InputError, OutputError, SsdDataError
from ssd_data.core.files.exchange import remove_tree
from ssd_data.core.files.fences import Fence, set_up_fence
from ssd_data.core.files.paths import naming
from ssd_data.core.files.remote.address import remote
from ssd_data.core.files.remote.known import KnownFiles, take_known
from ssd_data.core.files.remote.out import put_files
from ssd_data.core.files.scratch import scratch
from ssd_data.core.files.whole import failed, sync_folder
from ssd_data.core.images import picture_limits
from ssd_data.core.notes import Tally
from ssd_data.data.build.convert import make_records
from ssd_data.data.build.failures import MOST_FAILURES, note_failure
from ssd_data.data.build.options import BuildOptions
from ssd_data.data.build.recorded import SplitCounts
from ssd_data.data.build.scan import LabelledImage
from ssd_data.data.build.sharding.inputs import name_of, settings_of, stamps_now
from ssd_data.data.build.sharding.whole import (
    FILES,
    RECORDS,
    SUMMARY,
    ShardSummary,
    line_of_record,
    read_summary,
)
from ssd_data.data.lmdb.single import SingleLmdb
from ssd_data.data.lmdb.strangers import DATA
from ssd_data.data.lmdb.writer import LmdbWriter
from ssd_data.data.spread import Stamp

ENDING = ".part"


@dataclass(frozen=True, slots=True)
class ShardTask:
    """What is to be built, and where.

    Attributes:
        name: of the shard, the digest of all that goes in.
        place: the folder for whole shards, which all workers see.
        root: of the data set, which all see as well. fence: how links out of it are taken.
        first: the picture of its first line. numbers: how many lines it takes.
        images: with their numbers in the shard. stamps: of their files when they were scanned.
        threads: so many work on it.
        known: where pictures lie in a store, what it has of them: no worker lists it.
        sent: to another process.
    """

    name: str
    place: Path
    root: Path
    fence: Fence | None
    first: str
    numbers: int
    images: list[LabelledImage]
    stamps: list[Stamp]
    options: BuildOptions
    threads: int
    known: KnownFiles | None = None
    sent: bool = False


@dataclass(frozen=True, slots=True)
class ShardOutcome:
    """What became of it.

    Attributes:
        failures: why it was not built; none where it was.
    """

    name: str
    failures: list[SsdDataError] = field(default_factory=list)


def build_shard(task: ShardTask) -> ShardOutcome:
    """Build a shard into a folder of its own, which takes its name when it is whole and durable.

    Raises:
        InputError: a picture was changed meanwhile.
        OutputError: it cannot be written.
    """
    set_up_fence(task.fence)
    if task.sent:
        take_known(task.root, task.known)
    if read_summary(task.place / task.name) is not None:  # another worker was lost, and was not
        return ShardOutcome(task.name)
    with _beside(task) as beside:
        with picture_limits():
            failures = _write(task, beside)
        if failures:
            return ShardOutcome(task.name, failures)
        _require_unchanged(task)
        _take_place(beside, task.place / task.name)
    return ShardOutcome(task.name)


@contextmanager
def _beside(task: ShardTask) -> Iterator[Path]:
    """A new folder to write in, gone in the end; for a shard of a store on this machine's disk."""
    if remote(task.place) is not None:
        with scratch() as made:
            yield made
        return
    beside = task.place / f"{task.name}.{secrets.token_hex(4)}{ENDING}"
    try:
        beside.mkdir()
        yield beside
    except OSError as error:
        raise failed(error, Path(error.filename or beside)) from None
    finally:
        with suppress(OSError):
            remove_tree(beside)


def _write(task: ShardTask, folder: Path) -> list[SsdDataError]:
    """Write its files; what is wrong with pictures is returned, and ends it after some."""
    counts, failures = SplitCounts(Tally()), list[SsdDataError]()
    skips = task.options.missing == "skip"
    lines: list[str] = []
    with LmdbWriter(folder, resume=True, durable=False) as writer:
        for made in make_records(task.root, task.images, task.options, task.threads):
            if made.error is not None:
                note_failure(made.error, skips, failures, counts.notes)
                if len(failures) >= MOST_FAILURES:
                    return failures
            elif not failures:
                writer.put(made.key, made.value)
                counts.add(made)
                lines.append(line_of_record(made))
    if failures:
        return failures
    _require_written(folder, counts.keys)
    size = (folder / DATA).stat().st_size
    summary = ShardSummary.of(counts, task.first, task.numbers, size)
    (folder / RECORDS).write_text("".join(lines), "utf-8")
    (folder / SUMMARY).write_text(summary.to_text(), "utf-8")
    _sync(folder)
    return []


def _sync(folder: Path) -> None:
    """One file after the other when all are written: the first takes the others' names along."""
    for file in FILES:
        descriptor = os.open(folder / file, os.O_RDONLY)
        try:
            with naming(folder / file):
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
    sync_folder(folder)


def _require_written(folder: Path, keys: Sequence[bytes]) -> None:
    """Read it back: every key, in order, none more."""
    written = SingleLmdb(folder)
    try:
        if list(written.keys()) != keys:
            raise OutputError("the shard read back is not what was written", where=folder)
    finally:
        written.close()


def _require_unchanged(task: ShardTask) -> None:
    """The pictures must be those that were scanned, or the name would be another's."""
    now = stamps_now(task.root, task.images)
    if now == task.stamps:
        made = name_of(settings_of(task.options), task.numbers, task.images, now)
        if made == task.name:
            return
        raise InputError("a worker takes other options or packages than were asked for")
    pairs = zip(task.images, task.stamps, now, strict=True)
    changed = next(image.entry.image for image, then, seen in pairs if then != seen)
    raise changed_meanwhile(task.root, changed)


def changed_meanwhile(root: Path, image: str) -> InputError:
    """The error about a picture that is not what was scanned."""
    return InputError(
        "a picture was changed while it was built, or is another one on this machine",
        where=f"{root}/{image}",
        hint="Run this again: what is whole is not built again",
    )


def _take_place(beside: Path, place: Path) -> None:
    if (far := remote(place)) is not None:  # the last of the files tells that the others are whole
        put_files(far, [beside / file for file in FILES])
        return
    try:
        os.rename(beside, place)
    except OSError:
        if read_summary(place) is None:  # else another has built it meanwhile
            remove_tree(place)
            os.rename(beside, place)
    sync_folder(place.parent)
