"""What checks share: the labelmap, an LMDB's records, the rules, and what splits have in common."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

from ssd_data.core.errors import InputError
from ssd_data.core.images import picture_limits
from ssd_data.core.labelmap import LabelMap, read_labelmap
from ssd_data.core.notes import Tally
from ssd_data.core.parallel import default_workers, ordered_map
from ssd_data.core.progress import Track, untracked
from ssd_data.data.check.cases import RecordCase, SplitSummary
from ssd_data.data.check.findings import ERROR, WARNING, Findings, counted
from ssd_data.data.check.rules import RECORD_RULES, SPLIT_RULES
from ssd_data.data.lmdb.manifest import Manifest, labelmap_digest
from ssd_data.data.lmdb.store import LmdbReader
from ssd_data.data.lmdb.survey import Look, look

UNREADABLE_LMDB = (ERROR, "unreadable-lmdb", "LMDB cannot be read")
UNREADABLE_LABELMAP = (ERROR, "unreadable-labelmap", "labelmap cannot be read")
LABELMAP_FAULT = (ERROR, "labelmap-fault", "labelmap is not sound")
ALIKE_CLASSES = (WARNING, "alike-classes", "class names look alike: are they one class?")
NO_LABELMAP = (WARNING, "no-labelmap", "no labelmap lies beside the LMDB: labels were not checked")
BUILD_JSON = (ERROR, "build-json", "build.json does not state what is there")
SPLIT_LEAK = (WARNING, "split-leak", "picture is in two splits")
# What a build notes about its input, by the note's beginning; None is judged by rules here.
NOTES = {
    "annotation states another size": "size-disagrees",
    "EXIF orientation": "exif-orientation",
    "boxes turned": "exif-orientation",
    "the file's ending": "file-ending",
    "box ": None,
    "picture stands more than once": None,
}


@dataclass(slots=True)
class Job:
    """What every check does: the labelmap, an LMDB's records, rules, what splits share.

    Attributes:
        prefix: of places, such as ``train: ``.
    """

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
        """Whether it is sound, and no two classes are taken for one."""
        self.findings.labelmap = labelmap.origin
        faults = (f"{labelmap.origin}: {what}. {cure}" for what, cure in labelmap.judged())
        self.findings.add(LABELMAP_FAULT, faults)
        self.findings.add(ALIKE_CLASSES, map(str, labelmap.lookalikes()))

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
                    self.judge(RecordCase(seen, self.labelmap), self.prefix)
        except InputError as error:
            cure = f" ({error.hint})" if error.hint else ""
            self.findings.add(UNREADABLE_LMDB, [error.sentence + cure])
        else:
            self.judge_split(summary)

    def _look(self, item: tuple[bytes, bytes]) -> tuple[Look, bytes, int, bytes]:
        key, value = item
        seen = look(key, value, decode=self.decode)
        return seen, hashlib.sha256(value).digest(), len(value), picture_digest(seen)

    def judge(self, case: RecordCase, prefix: str) -> None:
        """Lead a record past the rules."""
        for kind, rule in RECORD_RULES.items():
            self.findings.add(kind, (prefix + place for place in rule(case)))

    def judge_split(self, summary: SplitSummary) -> None:
        """Lead all of an LMDB or split past the rules."""
        counts = {"records": len(summary.table), "boxes": len(summary.table.labels)}
        self.findings.checked.append({"name": summary.name, **counts})
        for kind, rule in SPLIT_RULES.items():
            self.findings.add(kind, (self.prefix + place for place in rule(summary)))

    def take_notes(self, notes: Tally) -> None:
        """What a build would note is a warning here."""
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


def picture_digest(seen: Look) -> bytes:
    """Of a record's stored picture bytes."""
    return hashlib.sha256(seen.record.data if seen.record else b"").digest()
