"""Raw data set to LMDBs, labelmap, lists and size files: the data half's main job.

All annotations are read and judged first; then each split's LMDB is written beside the old one,
verified, and all of it is published at once. ``build.json`` records how.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from ssd_data.core.errors import InputError, OutputError, SsdDataError
from ssd_data.core.files.exchange import remove_tree
from ssd_data.core.files.publish import OutFolder
from ssd_data.core.files.remote.address import as_path, remote
from ssd_data.core.files.remote.out import StoreOut
from ssd_data.core.files.resumable import part_of
from ssd_data.core.files.there import is_folder
from ssd_data.core.files.whole import write_text
from ssd_data.core.images import picture_limits
from ssd_data.core.labelmap import LabelMap
from ssd_data.core.parallel import default_workers
from ssd_data.core.progress import Track, untracked
from ssd_data.core.tasks import LOCAL, Pool, Say, unsaid
from ssd_data.data.build import links
from ssd_data.data.build.convert import BuiltRecord, make_records
from ssd_data.data.build.failures import MOST_FAILURES, all_of, note_failure
from ssd_data.data.build.misplaced import refuse_misplaced
from ssd_data.data.build.occupied import Occupied, require_writable
from ssd_data.data.build.options import BuildOptions
from ssd_data.data.build.plan import BuildPlan, plan
from ssd_data.data.build.recorded import SplitCounts, new_manifest
from ssd_data.data.build.scan import LabelledImage, Scan
from ssd_data.data.build.sharding.driver import Sharding, Shards
from ssd_data.data.build.sharding.far import FAR_SHARDS, out_folder, publish_shards
from ssd_data.data.build.sharding.inputs import ShardInputs
from ssd_data.data.dataset import Dataset
from ssd_data.data.formats.pairlists import line_of
from ssd_data.data.lmdb.manifest import (
    LABELMAP,
    MANIFEST,
    BuiltSplit,
    Manifest,
    differences,
    read_manifest,
)
from ssd_data.data.lmdb.shards import Shard
from ssd_data.data.lmdb.store import LmdbReader
from ssd_data.data.lmdb.writer import LmdbWriter
from ssd_data.data.spread import Stamp, spread_over


@dataclass(slots=True)
class BuildResult:
    """What a build did.

    >>> from ssd_data import find
    >>> build(find("sample/voc"), "ONE", splits=["test"]).built
    ['test']

    Attributes:
        out: the folder.
        record: what ``build.json`` holds.
        labelmap: of the records.
        built: the splits that were written, or of a dry run would be; the others are up to date.
        linked: the links that were made.
        shards: of a split that was built as shards, how many were built, and how many it has.
    """

    out: Path
    record: Manifest
    labelmap: LabelMap
    built: list[str]
    linked: list[str] = field(default_factory=list)
    shards: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def manifest(self) -> dict[str, Any]:
        """What ``build.json`` holds, as JSON has it."""
        return self.record.to_json()

    @property
    def up_to_date(self) -> bool:
        """Whether nothing had to be done."""
        return not self.built


def build(
    dataset: Dataset,
    out: Path | str | None = None,
    options: BuildOptions | None = None,
    *,
    splits: Sequence[str] = (),
    labelmap: LabelMap | None = None,
    workers: int | None = None,
    redo: bool = False,
    link: Path | str | None = None,
    track: Track = untracked,
    dry_run: bool = False,
    shards: int | None = None,
    on: str = LOCAL,
    say: Say = unsaid,
) -> BuildResult:
    """Build a data set's LMDBs.

    >>> from ssd_data import BuildOptions, find
    >>> result = build(find("sample/voc"), "SMALL", BuildOptions(size=(64, 64)))
    >>> result.built, result.manifest["splits"]["test"]["records"]
    (['trainval', 'test'], 4)
    >>> build(find("sample/voc"), "SMALL", BuildOptions(size=(64, 64))).up_to_date
    True

    Args:
        dataset: from ``find`` or ``from_list`` of :mod:`ssd_data.data.find`.
        out: the folder to write to; ``./<name>`` by default.
        options: how records are made.
        splits: which ones; those that are linked as training and test by default.
        labelmap: instead of the data set's own.
        workers: threads; the result does not depend on it.
        redo: replace a build that was made otherwise.
        link: also make the links there, as :func:`ssd_data.data.build.links.link` does.
        track: wraps the records as they are made, to show progress.
        dry_run: do all of it, errors included, but write nothing.
        shards: build each split as so many LMDBs that are read as one (what there is to be read is
            the same), and keep those that are whole when it is interrupted, or when some pictures
            have changed.
        on: where shards are built, as :func:`ssd_data.core.tasks.connect` takes it.
        say: is told what a user should know of those who build them.

    Raises:
        InputError: the data set is broken, or does not fit the labelmap.
        OutputError: the out folder holds something else, is locked or cannot be written.
    """
    with Pool(on, say) as pool, spread_over(pool):
        made = plan(dataset, options, splits, labelmap)
        place = as_path(out) if out is not None else default_out(made.dataset)
        refuse_misplaced(made, place, link)
        if dry_run:
            require_writable(place)
        threads = workers or (default_workers() if pool.is_local else 1)
        if remote(place) is not None and shards is None:
            shards = FAR_SHARDS
        sharding = Sharding(shards, pool, threads) if shards and not dry_run else None
        with nullcontext() if dry_run else out_folder(place) as folder:
            result = _Job(made, place, folder, threads, track, sharding).run(redo)
            if isinstance(folder, OutFolder):
                remove_tree(part_of(folder))
    if link is not None and not dry_run:
        result.linked = links.link(result.out, link)
    return result


def default_out(dataset: Dataset) -> Path:
    """``./<name>``, or ``./<name>_lmdb`` where the data set itself lies there."""
    out = Path(dataset.name)
    taken = is_folder(out) and (
        out.resolve() in (dataset.root.resolve(), *dataset.root.resolve().parents)
    )
    return Path(f"{dataset.name}_lmdb") if taken else out


@dataclass(slots=True)
class _Job:
    """A build; without a ``folder`` to write into a dry run."""

    plan: BuildPlan
    path: Path
    folder: OutFolder | StoreOut | None
    workers: int
    track: Track
    sharding: Sharding | None

    @property
    def dataset(self) -> Dataset:
        return self.plan.dataset

    @property
    def options(self) -> BuildOptions:
        return self.plan.options

    @property
    def labelmap(self) -> LabelMap:
        return self.plan.labelmap

    @property
    def there(self) -> Occupied:
        return Occupied(self.path, self.dataset)

    def run(self, redo: bool) -> BuildResult:
        wanted = self.plan.splits
        old, there = read_manifest(self.path), self.there
        new = new_manifest(self.dataset, self.options, self.labelmap)
        if old is not None:
            there.refuse_other(old, new, wanted, redo)
        scans = self.plan.scans()
        stamps = {
            split: list(s.stamps(self.dataset.root)) if self.sharding else None
            for split, s in scans.items()
        }
        digests = {
            split: s.input_digest(self.dataset.root, stamps[split]) for split, s in scans.items()
        }
        todo = [
            s for s in wanted if redo or old is None or not there.is_current(old, s, digests[s])
        ]
        if not todo:
            assert old is not None
            return BuildResult(self.path, old, self.labelmap, [])
        there.refuse_overwriting(old, todo, redo)
        if old is not None and not differences(old, new):
            new.splits.update(old.splits)
        failures: list[SsdDataError] = []
        result = BuildResult(self.path, new, self.labelmap, todo)
        with picture_limits():
            for split in todo:
                made = self._write(split, scans.pop(split), stamps.pop(split), failures, result)
                new.splits[split] = msgspec.structs.replace(made, input_digest=digests[split])
        if failures:
            raise all_of(failures, self.dataset.root)
        self._stage(LABELMAP, self.labelmap.to_text())
        self._stage(MANIFEST, new.to_text())
        if isinstance(self.folder, OutFolder):
            self.folder.publish()
        elif self.folder is not None:
            publish_shards(self.folder, [self.path / new.splits[split].lmdb for split in todo])
        return result

    def _stage(self, name: str, text: str) -> None:
        """Stage a text file, but for the very list or labelmap that is built from."""
        if self.folder is not None and not self.there.is_input(self.path / name):
            write_text(self.folder.staging / name, text)

    def _write(
        self,
        split: str,
        scanned: Scan,
        stamps: list[Stamp] | None,
        failures: list[SsdDataError],
        result: BuildResult,
    ) -> BuiltSplit:
        """Write one split below staging; problems are appended to ``failures``."""
        name, list_name, size_name = self.there.names(split)
        skips = self.options.missing == "skip"
        for entry in scanned.failures:
            note_failure(entry.error, skips, failures, scanned.notes)
        summary = SplitCounts(scanned.notes)
        shards = None
        if self.sharding is None or stamps is None:
            self._write_one(split, scanned.images, failures, summary)
        elif not failures:
            inputs = ShardInputs(scanned, stamps, self.options)
            shards = self._write_shards(split, inputs, failures, summary, result)
        if not failures:
            self._require_boxes(split, scanned, summary)
            if not summary.records:
                raise InputError(f"no record is left for {name}", where=self.dataset.root)
            self._stage(list_name, "".join(line_of(*pair) for pair in scanned.lines))
            self._stage(size_name, "".join(summary.size_lines))
        made = summary.split(self.labelmap, name, list_name, size_name, len(scanned.lines))
        return msgspec.structs.replace(made, shards=shards)

    def _write_one(
        self,
        split: str,
        images: list[LabelledImage],
        failures: list[SsdDataError],
        summary: SplitCounts,
    ) -> None:
        """Write a split as one LMDB."""
        name, skips = self.dataset.lmdb_name(split), self.options.missing == "skip"
        with LmdbWriter(self.folder.staging / name) if self.folder else nullcontext() as writer:
            for made in self._records(split, images):
                if made.error is not None:
                    note_failure(made.error, skips, failures, summary.notes)
                    if len(failures) >= MOST_FAILURES:
                        raise all_of(failures, self.dataset.root)
                elif not failures:
                    if writer is not None:
                        writer.put(made.key, made.value)
                    summary.add(made)
        if not failures:
            self._verify(name, summary)

    def _write_shards(
        self,
        split: str,
        inputs: ShardInputs,
        failures: list[SsdDataError],
        summary: SplitCounts,
        result: BuildResult,
    ) -> tuple[Shard, ...] | None:
        """Write a split as shards, of which those that are whole stay where they are."""
        assert self.folder is not None
        assert self.sharding is not None
        name = self.dataset.lmdb_name(split)
        part = part_of(self.folder) if isinstance(self.folder, OutFolder) else self.path / name
        job = Shards(
            self.dataset.root, self.options, self.sharding, part, self.folder.locked, self.track
        )
        made, found = job.build(split, inputs, self.path / name)
        failures += found
        if failures:
            return None
        made.count(summary)
        result.shards[split] = made.built, len(made.pieces)
        return tuple(made.stage(self.folder.staging / name)) if summary.records else None

    def _records(self, split: str, images: list[LabelledImage]) -> Iterator[BuiltRecord]:
        made = make_records(self.dataset.root, images, self.options, self.workers)
        yield from self.track(made, len(images), split)

    def _require_boxes(self, split: str, scanned: Scan, summary: SplitCounts) -> None:
        """A split of which no box is left is said aloud, and refused where there were some."""
        if summary.classes.total():
            return
        if stated := sum(len(image.labels) for image in scanned.images):
            kinds = [kind for kind in summary.notes.kinds if kind.startswith("box ")]
            raise InputError(
                f'no box of "{split}" is left of {stated:,}: {"; ".join(kinds)}',
                where=self.dataset.root,
                hint="--empty and --outside say what to do with such boxes; --empty mend exchanges "
                "corners that stand in each other's place",
            )
        if summary.records:
            scanned.notes.add("no picture of the split has a box", split)

    def _verify(self, name: str, summary: SplitCounts) -> None:
        """Read the new LMDB back: every key, in order, none more."""
        if self.folder is None or not summary.keys:
            return
        with LmdbReader(self.folder.staging / name) as reader:
            if reader.keys() != summary.keys:
                raise OutputError("the LMDB read back is not what was written", where=name)
