"""Gives out the building of shards, and puts together what was built."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from ssd_data.core.errors import InputError, SsdDataError
from ssd_data.core.files.exchange import remove_tree
from ssd_data.core.files.fences import fence_of
from ssd_data.core.files.remote.address import remote
from ssd_data.core.files.remote.stores import store_of
from ssd_data.core.files.whole import write_text
from ssd_data.core.progress import Track
from ssd_data.core.tasks import Needs, Pool
from ssd_data.data.build.failures import MOST_FAILURES
from ssd_data.data.build.options import BuildOptions
from ssd_data.data.build.recorded import PACKAGES, SplitCounts
from ssd_data.data.build.sharding.inputs import ShardInputs
from ssd_data.data.build.sharding.ranges import cut
from ssd_data.data.build.sharding.task import ENDING, ShardTask, build_shard
from ssd_data.data.build.sharding.whole import (
    FILES,
    ShardSummary,
    known_in,
    read_records,
    read_summary,
)
from ssd_data.data.lmdb.records import key_of
from ssd_data.data.lmdb.shards import MOST_NUMBERS, SHARDS, VERSION, Shard, ShardTable


@dataclass(frozen=True, slots=True)
class Sharding:
    """Into how many shards a build goes, and where they are built.

    Attributes:
        shards: of each split, where none is there from before.
        pool: who builds them. threads: of each task.
    """

    shards: int
    pool: Pool
    threads: int = 1


@dataclass(frozen=True, slots=True)
class ShardPiece:
    """A range of a split's list, and the folder of its shard."""

    cut: range
    name: str
    place: Path


@dataclass(frozen=True, slots=True)
class ShardedSplit:
    """A split, built as shards.

    Attributes:
        built: how many of its shards were not there before.
    """

    inputs: ShardInputs
    pieces: list[ShardPiece]
    built: int

    def stage(self, target: Path) -> list[Shard]:
        """Put it together in a new folder; what is there stays where it was."""
        target.mkdir()
        places = {piece.name: piece.place for piece in self.pieces}
        for name, place in places.items():
            if remote(place) is not None:  # it was sent there
                continue
            (target / name).mkdir()
            for file in FILES:
                _second_name(place / file, target / name / file)
        shards = [_summary_of(piece).listed(piece.name, piece.cut.start) for piece in self.pieces]
        write_text(target / SHARDS, ShardTable(VERSION, "numbered", shards).to_text())
        return shards

    def count(self, counts: SplitCounts) -> None:
        """Count all records, as if they had been made one after another.

        Raises:
            InputError: what a shard says of itself cannot be.
        """
        for piece in self.pieces:
            summary = _summary_of(piece)
            counts.add_counts(
                summary.classes, summary.difficult, summary.without_boxes, summary.bytes
            )
            counts.notes.merge(summary.to_tally())
            before = counts.records
            for key, digest, size_line in self._records(piece):
                counts.add_record(key, digest, size_line)
            if counts.records - before != summary.records:
                raise _not_whole(piece.place)

    def _records(self, piece: ShardPiece) -> Iterator[tuple[bytes, bytes, str]]:
        images = iter(self.inputs.images(piece.cut)[0])
        for number, digest, size_line in read_records(piece.place):
            image = next((one for one in images if one.number == number), None)
            if image is None:
                raise _not_whole(piece.place)
            yield key_of(number + piece.cut.start, image.entry.image), digest, size_line


@dataclass(frozen=True, slots=True)
class Shards:
    """The shards of a data set's build.

    Attributes:
        root: of the data set. part: where whole shards wait, until all are published.
        cleans: nobody else builds there, so that what lost workers left can go.
    """

    root: Path
    options: BuildOptions
    sharding: Sharding
    part: Path
    cleans: bool
    track: Track

    def build(
        self, split: str, inputs: ShardInputs, old: Path
    ) -> tuple[ShardedSplit, list[SsdDataError]]:
        """Build what is not there yet; and what is wrong with pictures, which ends it after some.

        Args:
            old: the split's LMDB of the build before, which may have shards that are wanted.
        """
        if len(inputs) > MOST_NUMBERS:
            text = f'"{split}" has {len(inputs):,} pictures, keys can count {MOST_NUMBERS:,}'
            raise InputError(text, where=self.root)
        self._clean()
        there = {
            (place, one.name): one
            for place in dict.fromkeys((old, self.part))
            for one in known_in(place)
        }
        places = {name: place for place, name in there}
        pieces = cut(inputs, self.sharding.shards, there.values())
        todo = {name: place for place, name in pieces if name not in places}
        failures = self._run(split, inputs, todo)
        if (far := remote(self.part)) is not None:
            store_of(far).look_anew()
        made = [
            ShardPiece(place, name, places.get(name, self.part) / name) for place, name in pieces
        ]
        return ShardedSplit(inputs, made, len(todo)), failures

    def _clean(self) -> None:
        if remote(self.part) is not None:  # nothing of it lies there before it is whole
            return
        self.part.mkdir(parents=True, exist_ok=True)
        for place in self.part.iterdir() if self.cleans else ():
            if place.name.endswith(ENDING):
                remove_tree(place)

    def _run(self, split: str, inputs: ShardInputs, todo: dict[str, range]) -> list[SsdDataError]:
        found: list[tuple[int, list[SsdDataError]]] = []
        needs = Needs(cpus=self.sharding.threads, packages=PACKAGES)
        given = (self._task(inputs, name, place) for name, place in todo.items())
        done = self.sharding.pool.run(build_shard, given, needs)
        with closing(done):  # type: ignore[type-var]
            for number, outcome in self.track(done, len(todo), f"{split}, shards"):
                found.append((number, outcome.failures))
                if sum(len(failures) for _, failures in found) >= MOST_FAILURES:
                    break
        ordered = [failures for _, failures in sorted(found, key=_first)]
        return list(chain.from_iterable(ordered))[:MOST_FAILURES]

    def _task(self, inputs: ShardInputs, name: str, place: range) -> ShardTask:
        images, stamps = inputs.images(place)
        local = self.sharding.pool.is_local
        return ShardTask(
            name=name,
            place=self.part.absolute(),
            root=self.root if local else self.root.absolute(),
            fence=fence_of(self.root),
            first=inputs.first_of(place.start),
            numbers=len(place),
            images=images,
            stamps=stamps,
            options=self.options,
            threads=self.sharding.threads,
        )


def _first(pair: tuple[int, list[SsdDataError]]) -> int:
    return pair[0]


def _summary_of(piece: ShardPiece) -> ShardSummary:
    summary = read_summary(piece.place)
    if summary is None:
        hint = "Run this again: it is built anew, and the others are taken as they are"
        raise InputError("a shard is gone, or not whole any more", where=piece.place, hint=hint)
    if summary.numbers != len(piece.cut):
        raise _not_whole(piece.place)
    return summary


def _not_whole(place: Path) -> InputError:
    hint = f"Remove {place}, and run this again: the others are taken as they are"
    return InputError("this shard is not what was built", where=place, hint=hint)


def _second_name(file: Path, new: Path) -> None:
    """The same file under another name; a copy where it cannot have two."""
    try:
        os.link(file, new)
    except OSError:
        shutil.copyfile(file, new)
        with new.open("rb") as copy:
            os.fsync(copy.fileno())
