"""What would make training fail or learn nonsense, found before it starts.

The rules are in ``rules.py``; here an LMDB, a build's folder or a raw data set is led past them.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any

from ssd_data.core.boxes import normalize
from ssd_data.core.errors import InputError, UsageError
from ssd_data.core.images import picture_limits
from ssd_data.core.labelmap import LabelMap, read_labelmap
from ssd_data.core.notes import Tally
from ssd_data.core.parallel import default_workers, ordered_map
from ssd_data.core.progress import Track, untracked
from ssd_data.data.build.convert import BuiltRecord, make_record
from ssd_data.data.build.options import BuildOptions
from ssd_data.data.build.scan import LabelledImage, Scan, scan, unknown_classes
from ssd_data.data.check.cases import RecordCase, SplitSummary
from ssd_data.data.check.findings import ERROR, WARNING, Findings, counted
from ssd_data.data.check.rules import RECORD_RULES, SPLIT_RULES
from ssd_data.data.dataset import Dataset
from ssd_data.data.find import find
from ssd_data.data.lmdb.companions import labelmap_file, manifest_of, name_size_file
from ssd_data.data.lmdb.manifest import (
    LABELMAP,
    MANIFEST,
    Manifest,
    labelmap_digest,
    read_manifest,
)
from ssd_data.data.lmdb.store import LmdbReader, is_lmdb
from ssd_data.data.lmdb.survey import Look, look

UNREADABLE_LMDB = (ERROR, "unreadable-lmdb", "LMDB cannot be read")
UNREADABLE_LABELMAP = (ERROR, "unreadable-labelmap", "labelmap cannot be read")
LABELMAP_FAULT = (ERROR, "labelmap-fault", "labelmap is not sound")
NO_LABELMAP = (WARNING, "no-labelmap", "no labelmap lies beside the LMDB: labels were not checked")
BUILD_JSON = (ERROR, "build-json", "build.json does not state what is there")
SPLIT_LEAK = (WARNING, "split-leak", "picture is in two splits")
UNREADABLE_SPLIT = (ERROR, "unreadable-split", "split cannot be read")
UNREADABLE_ANNOTATION = (ERROR, "unreadable-annotation", "annotation cannot be read")
UNREADABLE_PICTURE = (ERROR, "unreadable-picture", "picture cannot be read")
UNKNOWN_CLASS = (ERROR, "unknown-class", "class is not in the labelmap")
DUPLICATED_LINE = (WARNING, "duplicated-line", "picture is listed once more")
# What a build notes about its input, by the note's beginning; None is judged by rules here.
NOTES = {
    "annotation states another size": "size-disagrees",
    "EXIF orientation": "exif-orientation",
    "the file's ending": "file-ending",
    "box ": None,
    "picture stands more than once": None,
}


def check(
    what: Path | str,
    labelmap: LabelMap | None = None,
    splits: Collection[str] = (),
    *,
    root: Path | None = None,
    decode: bool = True,
    workers: int | None = None,
    track: Track = untracked,
) -> Findings:
    """Check an LMDB, a build's folder or a raw data set, whichever ``what`` is.

    Args:
        what: a folder with ``data.mdb``, one with ``build.json``, else what
            :func:`ssd_data.data.find.find` takes, for which ``root`` is.
        labelmap: instead of the one that belongs to it.
        splits: only these, of a build or data set.
        decode: decode all pixels; else only headers are read.
        workers: threads; the result does not depend on it.
        track: wraps the records as they come, to show progress.

    Raises:
        UsageError: there is no such data set or split, or an LMDB was given with splits or root.
        InputError: the data set's files are not there, or ``build.json`` is not a build's.
    """
    path = Path(what)
    settings: dict[str, Any] = {"decode": decode, "workers": workers, "track": track}
    built = (path / MANIFEST).is_file()
    one = is_lmdb(path) or (not built and path.is_dir() and path.name.endswith("_lmdb"))
    if root is not None and (one or built):
        raise UsageError("--root belongs to a recipe, this is an LMDB or a build", where=what)
    if one and splits:
        raise UsageError("--split belongs to a build or a data set", where=what)
    if one:
        return check_lmdb(path, labelmap, **settings)
    if built:
        return check_build(path, labelmap, splits, **settings)
    return check_dataset(find(str(what), root, splits), labelmap, splits, **settings)


def check_lmdb(path: Path | str, labelmap: LabelMap | None = None, **settings: Any) -> Findings:
    """Check one LMDB, ours or the original's; takes ``decode``, ``workers`` and ``track``.

    A labelmap, ``build.json`` and ``<split>_name_size.txt`` beside it are held against it.
    """
    job = _Job(labelmap, **settings)
    real = Path(path).resolve()
    manifest = None
    try:
        manifest = manifest_of(real)
    except InputError as error:
        job.findings.add(BUILD_JSON, [error.sentence])
    job.find_labelmap(labelmap_file(Path(path)), manifest)
    found, sizes = manifest.find(real.name) if manifest else None, name_size_file(real)
    summary = SplitSummary(str(path), job.labelmap, found[1] if found else None, manifest)
    summary.name_size = sizes if found or sizes.is_file() else None
    job.lmdb(summary, real)
    return job.findings


def check_build(
    folder: Path | str,
    labelmap: LabelMap | None = None,
    splits: Collection[str] = (),
    **settings: Any,
) -> Findings:
    """Check a build's LMDBs, also against each other; takes what :func:`check_lmdb` takes.

    Raises:
        UsageError: there is no such split.
        InputError: there is no ``build.json``, or it is not a build's.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    if manifest is None:
        raise InputError("no build here: build.json is missing", where=folder)
    if unknown := [split for split in splits if split not in manifest.splits]:
        raise UsageError(
            f'there is no split "{unknown[0]}"',
            where=folder,
            hint=f"Splits: {', '.join(manifest.splits)}",
        )
    job = _Job(labelmap, **settings)
    wanted = list(splits or manifest.splits)
    first = labelmap_file(folder / manifest.splits[wanted[0]].lmdb) if wanted else None
    job.find_labelmap(first or folder / LABELMAP, manifest)
    summaries = {}
    for split in wanted:
        made = manifest.splits[split]
        job.prefix = f"{split}: "
        summaries[split] = SplitSummary(
            split, job.labelmap, made, manifest, folder / made.name_size
        )
        job.lmdb(summaries[split], folder / made.lmdb)
    job.leaks(summaries)
    return job.findings


def check_dataset(
    dataset: Dataset,
    labelmap: LabelMap | None = None,
    splits: Collection[str] = (),
    **settings: Any,
) -> Findings:
    """Check a raw data set as a build would read it; takes what :func:`check_lmdb` takes.

    Nothing is written. Without ``splits`` those are checked that are linked as training and test.

    Raises:
        UsageError: there is no such split.
    """
    job = _Job(labelmap, **settings)
    try:
        job.labelmap = labelmap or dataset.classes()
    except InputError as error:
        job.findings.add(UNREADABLE_LABELMAP, [error.sentence])
        return job.findings
    job.judge_labelmap(job.labelmap)
    scans: dict[str, Scan] = {}
    summaries = {}
    for split in splits or dataset.default_splits():
        summaries[split] = job.split(dataset, split, job.labelmap, scans)
    job.findings.add(UNKNOWN_CLASS, unknown_classes(scans, job.labelmap))
    job.leaks(summaries)
    return job.findings


@dataclass(slots=True)
class _Job:
    labelmap: LabelMap | None
    decode: bool = True
    workers: int | None = None
    track: Track = untracked
    prefix: str = ""
    findings: Findings = field(default_factory=Findings)

    def find_labelmap(self, file: Path | None, manifest: Manifest | None) -> None:
        """Judge the labelmap that was given, else take the one that lies there and judge that."""
        if self.labelmap is not None:
            self.judge_labelmap(self.labelmap)
        elif file is None:
            self.findings.add(NO_LABELMAP, [""])
        else:
            try:
                self.labelmap = read_labelmap(file)
            except InputError as error:
                self.findings.add(UNREADABLE_LABELMAP, [error.sentence])
                return
            self.judge_labelmap(self.labelmap)
            stated = manifest.labelmap.sha256 if manifest else None
            if stated is not None and labelmap_digest(self.labelmap) != stated:
                self.findings.add(
                    BUILD_JSON, [f"{file} is not the labelmap that the LMDB was built with"]
                )

    def judge_labelmap(self, labelmap: LabelMap) -> None:
        self.findings.labelmap = labelmap.origin
        faults = (f"{labelmap.origin}: {fault}" for fault in labelmap.faults())
        self.findings.add(LABELMAP_FAULT, faults)

    def lmdb(self, summary: SplitSummary, path: Path) -> None:
        """Judge all records of an LMDB, then the split."""
        try:
            with LmdbReader(path) as reader, picture_limits():
                found = ordered_map(self._look, reader.items(), self.workers or default_workers())
                for seen, digest, size, picture in self.track(found, len(reader), summary.name):
                    summary.keys.append(seen.key)
                    summary.value_bytes += size
                    summary.content.update(seen.key + b"\0" + digest)
                    summary.add(seen, picture)
                    self._judge(RecordCase(seen, self.labelmap), self.prefix)
        except InputError as error:
            self.findings.add(UNREADABLE_LMDB, [error.sentence])
        else:
            self._judge_split(summary)

    def _look(self, item: tuple[bytes, bytes]) -> tuple[Look, bytes, int, bytes]:
        key, value = item
        seen = look(key, value, decode=self.decode)
        return seen, hashlib.sha256(value).digest(), len(value), _picture_digest(seen)

    def _judge(self, case: RecordCase, prefix: str) -> None:
        for kind, rule in RECORD_RULES.items():
            self.findings.add(kind, (prefix + place for place in rule(case)))

    def _judge_split(self, summary: SplitSummary) -> None:
        counts = {"records": len(summary.table), "boxes": len(summary.table.labels)}
        self.findings.checked.append({"name": summary.name, **counts})
        for kind, rule in SPLIT_RULES.items():
            self.findings.add(kind, (self.prefix + place for place in rule(summary)))

    def split(
        self, dataset: Dataset, split: str, labelmap: LabelMap, scans: dict[str, Scan]
    ) -> SplitSummary:
        """Judge a raw split as its build would make it; its scan goes into ``scans``."""
        self.prefix = f"{split}: "
        summary = SplitSummary(split, labelmap)
        options = BuildOptions(
            map=dataset.map,
            empty="keep",
            verify="decode" if self.decode else "header",
            shuffle=False,
        )
        try:
            scanned = scans[split] = scan(dataset, split, labelmap, options)
        except InputError as error:
            self.findings.add(UNREADABLE_SPLIT, [self.prefix + error.sentence])
            return summary
        broken = (entry.error.sentence for entry in scanned.failures)
        self.findings.add(UNREADABLE_ANNOTATION, broken)
        again = Counter(image for image, _ in scanned.lines)
        self.findings.add(
            DUPLICATED_LINE, (self.prefix + n for n in again for _ in range(again[n] - 1))
        )
        self._notes(scanned.notes)

        def make(image: LabelledImage) -> tuple[LabelledImage, BuiltRecord, Look, bytes]:
            made = make_record(dataset.root, image, options)
            seen = look(made.key, made.value)
            return image, made, seen, _picture_digest(seen)

        with picture_limits():
            found = ordered_map(make, scanned.images, self.workers or default_workers())
            for image, made, seen, picture in self.track(found, len(scanned.images), split):
                if (judged := self._image(image, made, seen)) is not None:
                    summary.add(judged, picture)
        self._judge_split(summary)
        return summary

    def _image(self, image: LabelledImage, made: BuiltRecord, seen: Look) -> Look | None:
        """Judge one picture of a raw data set; None where there is nothing to add up."""
        self._notes(made.notes)
        if made.error is not None or seen.record is None:
            text = made.error.sentence if made.error else seen.fault
            self.findings.add(UNREADABLE_PICTURE, [text])
            return None
        entry = image.entry
        # The record's own boxes are grouped by label; these are in the annotation's order.
        unit = entry.unit(seen.record.width, seen.record.height)
        boxes = normalize(entry.boxes, *unit)
        record = replace(seen.record, labels=image.labels, boxes=boxes, difficult=entry.difficult)
        seen = replace(seen, name=entry.image, record=record)
        places = [entry.place(index) for index in range(len(boxes))]
        self._judge(RecordCase(seen, self.labelmap, places), "")
        return seen

    def _notes(self, notes: Tally) -> None:
        for message, found in notes.kinds.items():
            kind = next((k for start, k in NOTES.items() if message.startswith(start)), "note")
            if kind is not None:
                self.findings.add((WARNING, kind, message), counted(found))

    def leaks(self, summaries: Mapping[str, SplitSummary]) -> None:
        """Pictures that two splits share, but for splits like trainval that hold another."""
        for (a, first), (b, second) in combinations(summaries.items(), 2):
            if a in b or b in a:
                continue
            shared = (digest for digest in second.pictures if digest in first.pictures)
            self.findings.add(
                SPLIT_LEAK,
                (f"{b}: {second.pictures[d]} is {a}: {first.pictures[d]}" for d in shared),
            )


def _picture_digest(seen: Look) -> bytes:
    return hashlib.sha256(seen.record.data if seen.record else b"").digest()
