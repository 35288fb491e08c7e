"""What would make training fail or learn nonsense, found before it starts.

A rule is one small function: it looks at the boxes of a record, at a record (:class:`Case`) or at a
whole LMDB or split (:class:`Whole`), and says where it is broken. To add one, write it below its
decorator; nothing else lists it.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ssd_data.agreement import beside_lmdb
from ssd_data.boxes import is_empty, is_outside, normalize
from ssd_data.convert import Made, make_record
from ssd_data.dataset import Dataset, find
from ssd_data.errors import InputError, SsdDataError, UsageError
from ssd_data.labelmap import LabelMap, read_labelmap
from ssd_data.manifest import LABELMAP, MANIFEST, Manifest, labelmap_digest, read_manifest
from ssd_data.options import BuildOptions
from ssd_data.parallel import default_workers, ordered_map
from ssd_data.paths import read_lines
from ssd_data.pictures import picture_limits
from ssd_data.scan import LabelledImage, Scan, scan, unknown_classes
from ssd_data.store import LmdbReader, is_lmdb
from ssd_data.structures import Boxes, Flags, Record
from ssd_data.survey import Look, bands, box_text, class_name, items, look, printable
from ssd_data.tally import LISTED, Count, Tally

ERROR, WARNING = "error", "warning"
Kind: TypeAlias = tuple[str, str, str]  # severity, short name, message
Track: TypeAlias = Callable[[Iterable[Any], int, str], Iterable[Any]]


@dataclass(slots=True)
class Finding:
    """One kind of trouble.

    Attributes:
        severity: "error" or "warning".
        kind: a short name that does not change, such as "empty-box".
        message: what it is.
        count: how often it was met.
        places: where; the first :data:`ssd_data.tally.LISTED` of them.
    """

    severity: str
    kind: str
    message: str
    count: int = 0
    places: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Findings:
    """All that a check found, each kind once.

    Attributes:
        checked: what was looked at, each with ``name``, ``records`` and ``boxes``.
        labelmap: where the labelmap comes from; empty where there is none.
    """

    checked: list[dict[str, Any]] = field(default_factory=list)
    labelmap: str = ""
    found: dict[tuple[str, str], Finding] = field(default_factory=dict)

    def add(self, kind: Kind, places: Iterable[str]) -> None:
        """Count one more of its kind at each of ``places``."""
        for place in places:
            finding = self.found.setdefault(kind[1:], Finding(*kind))
            finding.count += 1
            if len(finding.places) < LISTED:
                finding.places.append(printable(place))

    @property
    def errors(self) -> list[Finding]:
        """What makes training fail or learn nonsense."""
        return [finding for finding in self.found.values() if finding.severity == ERROR]

    @property
    def warnings(self) -> list[Finding]:
        """What is odd but may be meant."""
        return [finding for finding in self.found.values() if finding.severity == WARNING]

    def to_json(self) -> dict[str, Any]:
        """``{"checked": […], "labelmap": "…", "errors": […], "warnings": […]}``"""

        def table(found: list[Finding]) -> list[dict[str, Any]]:
            names = ("kind", "count", "message", "places")
            return [{name: getattr(finding, name) for name in names} for finding in found]

        return {
            "checked": self.checked,
            "labelmap": self.labelmap,
            "errors": table(self.errors),
            "warnings": table(self.warnings),
        }


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


BoxRule: TypeAlias = Callable[[Record, LabelMap | None], Flags]
CaseRule: TypeAlias = Callable[[Case], Iterable[str]]
WholeRule: TypeAlias = Callable[[Whole], Iterable[str]]
CASE_RULES: dict[Kind, CaseRule] = {}
WHOLE_RULES: dict[Kind, WholeRule] = {}


def case_rule(severity: str, name: str, message: str) -> Callable[[CaseRule], CaseRule]:
    """A rule about one record: yields the places where it is broken."""

    def register(rule: CaseRule) -> CaseRule:
        CASE_RULES[severity, name, message] = rule
        return rule

    return register


def box_rule(severity: str, name: str, message: str) -> Callable[[BoxRule], BoxRule]:
    """A rule about a record's boxes: says which of them break it, bool (N,)."""

    def register(rule: BoxRule) -> BoxRule:
        def judge(case: Case) -> Iterator[str]:
            record = case.seen.record
            if record is not None and len(record.labels):
                yield from case.at(record, rule(record, case.labelmap))

        CASE_RULES[severity, name, message] = judge
        return rule

    return register


def whole_rule(severity: str, name: str, message: str) -> Callable[[WholeRule], WholeRule]:
    """A rule about an LMDB or split: yields what breaks it."""

    def register(rule: WholeRule) -> WholeRule:
        WHOLE_RULES[severity, name, message] = rule
        return rule

    return register


@case_rule(ERROR, "unreadable-record", "record is no AnnotatedDatum that can be read")
def _unreadable_record(case: Case) -> Iterator[str]:
    if case.seen.record is None:
        yield case.seen.fault


@case_rule(ERROR, "unreadable-picture", "picture cannot be read")
def _unreadable_picture(case: Case) -> Iterator[str]:
    if case.seen.record is not None and case.seen.error is not None:
        yield case.seen.fault


@case_rule(ERROR, "header-size", "header states another size than the picture has")
def _header_size(case: Case) -> Iterator[str]:
    record, info = case.seen.record, case.seen.info
    if record and info and (record.width, record.height) != (info.width, info.height):
        stated, real = f"{record.width}x{record.height}", f"{info.width}x{info.height}"
        yield f"{case.seen.name}: {stated}, the picture {real}"


@case_rule(ERROR, "header-channels", "header states other channels than the picture has")
def _header_channels(case: Case) -> Iterator[str]:
    record, info = case.seen.record, case.seen.info
    if record and info and bands(info) not in (record.channels, None):
        yield f"{case.seen.name}: {record.channels}, the picture {bands(info)} ({info.mode})"


@case_rule(WARNING, "exif-orientation", "picture has an EXIF orientation: readers may turn it")
def _exif_orientation(case: Case) -> Iterator[str]:
    if case.seen.info is not None and case.seen.info.orientation_at is not None:
        yield case.seen.name


@case_rule(WARNING, "without-boxes", "record has no box")
def _without_boxes(case: Case) -> Iterator[str]:
    if case.seen.record is not None and not len(case.seen.record.labels):
        yield case.seen.name


@box_rule(ERROR, "label-below-1", "box has the background's label or a negative one")
def _label_below_1(record: Record, labelmap: LabelMap | None) -> Flags:
    return record.labels < 1


@box_rule(ERROR, "unknown-label", "box has a label that the labelmap does not hold")
def _unknown_label(record: Record, labelmap: LabelMap | None) -> Flags:
    known = [item.label for item in labelmap] if labelmap else record.labels
    return (record.labels > 0) & ~np.isin(record.labels, known)


@box_rule(ERROR, "not-finite", "box has a corner that is infinite or no number")
def _not_finite(record: Record, labelmap: LabelMap | None) -> Flags:
    return ~_finite(record.boxes)


@box_rule(ERROR, "empty-box", "box is inverted or has no area")
def _empty_box(record: Record, labelmap: LabelMap | None) -> Flags:
    return _finite(record.boxes) & is_empty(record.boxes)


@box_rule(ERROR, "lost-box", "box lies wholly outside its picture")
def _lost_box(record: Record, labelmap: LabelMap | None) -> Flags:
    return _drawable(record.boxes) & _lost(record.boxes)


@box_rule(WARNING, "outside-box", "box leaves its picture in part")
def _outside_box(record: Record, labelmap: LabelMap | None) -> Flags:
    return _drawable(record.boxes) & is_outside(record.boxes) & ~_lost(record.boxes)


@box_rule(WARNING, "duplicated-box", "box stands in its picture once more")
def _duplicated_box(record: Record, labelmap: LabelMap | None) -> Flags:
    met: set[tuple[float, ...]] = set()
    again = np.zeros(len(record.labels), np.bool_)
    rows = np.column_stack([record.labels, record.boxes]).tolist()
    for index, row in enumerate(map(tuple, rows)):
        again[index] = row in met
        met.add(row)
    return again


@whole_rule(ERROR, "no-box-at-all", "there is no box at all")
def _no_box_at_all(whole: Whole) -> Iterator[str]:
    if not whole.labels.total():
        yield f"{whole.records} records"


@whole_rule(ERROR, "mixed-channels", "picture has another number of channels than most")
def _mixed_channels(whole: Whole) -> Iterator[str]:
    by_count = sorted(whole.channels.kinds.items(), key=lambda pair: -pair[1].count)
    for channels, found in by_count[1:]:
        yield from (f"{n}: {channels}, most have {by_count[0][0]}" for n in _counted(found))


@whole_rule(WARNING, "absent-class", "class of the labelmap has no box")
def _absent_class(whole: Whole) -> Iterator[str]:
    for item in whole.labelmap or ():
        if item.label > 0 and item.label not in whole.labels:
            yield class_name(item.label, whole.labelmap)


@whole_rule(WARNING, "unnumbered-key", "key does not start with a number and _")
def _unnumbered_key(whole: Whole) -> Iterator[str]:
    return (_text(key) for key in whole.keys if _number(key) is None)


@whole_rule(WARNING, "key-order", "key has no higher number than the one before it")
def _key_order(whole: Whole) -> Iterator[str]:
    numbered = [(n, key) for key in whole.keys if (n := _number(key)) is not None]
    for (before, _), (number, key) in pairwise(numbered):
        if number <= before:
            yield _text(key)


@whole_rule(WARNING, "key-gap", "key's number leaves a gap")
def _key_gap(whole: Whole) -> Iterator[str]:
    expected = 0
    for key in whole.keys:
        number = _number(key)
        if number is not None and number > expected:
            missing = f"{expected}" if number == expected + 1 else f"{expected} to {number - 1}"
            yield f"{missing}, before {_text(key)}"
        expected = expected if number is None else number + 1


@whole_rule(WARNING, "duplicated-picture", "picture is there once more")
def _duplicated_picture(whole: Whole) -> Iterator[str]:
    return _counted(whole.twins.kinds.get("twin", Count()))


@whole_rule(ERROR, "name-size", "the file of names and sizes does not fit the records")
def _name_size(whole: Whole) -> Iterator[str]:
    if whole.name_size is None:
        return
    try:
        lines = read_lines(whole.name_size, "file of names and sizes")
    except InputError as error:
        yield _sentence(error)
        return
    if len(lines) != whole.records:
        yield f"{whole.name_size}: {len(lines)} lines for {whole.records} records"
        return
    rows = [line.rsplit(maxsplit=2) for line in lines]
    named = _names_fit([row[0] if row else "" for row in rows], whole.keys)
    sized = whole.manifest is not None and not _resizes(whole.manifest)
    for number, row in enumerate(rows):
        where, size = f"{whole.name_size}:{number + 1}", whole.sizes[2 * number : 2 * number + 2]
        if len(row) != 3 or not all(n.isdecimal() and len(n) < 10 for n in row[1:]):
            yield f"{where}: not a name, height and width"
        elif not named[number]:
            yield f"{where}: {row[0]}, the record is {_text(whole.keys[number])}"
        elif sized and size[0] > 0 and [int(row[1]), int(row[2])] != size.tolist():
            yield f"{where}: height and width {row[1]} {row[2]}, the record {size[0]} {size[1]}"


def _names_fit(names: list[str], keys: list[bytes]) -> list[bool]:
    """Which names are those of their keys' pictures; COCO's image ids may be any numbers."""
    stems = [Path(_text(key).partition("_")[2]).stem for key in keys]
    if all(name.isdecimal() for name in names):
        names = [name.lstrip("0") for name in names]
        stems = [stem.rpartition("_")[2].lstrip("0") for stem in stems]
        if sorted(names) != sorted(stems):
            return [True] * len(names)
    return [name == stem for name, stem in zip(names, stems, strict=True)]


@whole_rule(ERROR, "build-json", "build.json does not state what is there")
def _build_json(whole: Whole) -> Iterator[str]:
    found = {
        "records": whole.records,
        "boxes": whole.labels.total(),
        "difficult": whole.difficult,
        "without_boxes": whole.without_boxes,
        "bytes": whole.value_bytes,
        "content_digest": whole.content.hexdigest(),
    }
    for key, value in found.items():
        if whole.made.get(key, value) != value:
            yield f"{key} is {value}, build.json says {whole.made[key]}"


def _finite(boxes: Boxes) -> Flags:
    finite: Flags = np.all(np.isfinite(boxes), axis=1)
    return finite


def _drawable(boxes: Boxes) -> Flags:
    return _finite(boxes) & ~is_empty(boxes)


def _lost(boxes: Boxes) -> Flags:
    before, behind = np.any(boxes[:, 2:] <= 0, axis=1), np.any(boxes[:, :2] >= 1, axis=1)
    lost: Flags = before | behind
    return lost


def _counted(found: Count) -> Iterator[str]:
    """The places that were listed, then an empty one for each that was only counted."""
    yield from found.listed
    yield from [""] * (found.count - len(found.listed))


def _number(key: bytes) -> int | None:
    number, parted, _ = key.partition(b"_")
    return int(number) if parted and number.isdigit() else None


def _text(key: bytes) -> str:
    return printable(key.decode("utf-8", "backslashreplace"))


def _sentence(error: SsdDataError) -> str:
    return f"{error.where}: {error.what}" if error.where else error.what


def _resizes(manifest: Manifest) -> bool:
    return any(manifest["options"].get(name) for name in ("size", "min_dim", "max_dim"))


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
    track: Track = lambda items, total, name: items,
) -> Findings:
    """Check an LMDB, a build's folder or a raw data set, whichever ``what`` is.

    Args:
        what: a folder with ``data.mdb``, one with ``build.json``, else what
            :func:`ssd_data.dataset.find` takes, for which ``root`` is.
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
    made, manifest = job.recorded(real)
    job.find_labelmap(beside_lmdb(Path(path)), manifest)
    job.lmdb(str(path), real, made, manifest)
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
    if unknown := [split for split in splits if split not in manifest["splits"]]:
        raise UsageError(
            f'there is no split "{unknown[0]}"',
            where=folder,
            hint=f"Splits: {', '.join(manifest['splits'])}",
        )
    job = _Job(labelmap, **settings)
    job.find_labelmap(folder / LABELMAP, manifest)
    wholes = {}
    for split in splits or manifest["splits"]:
        made = manifest["splits"][split]
        job.prefix = f"{split}: "
        wholes[split] = job.lmdb(split, folder / made["lmdb"], made, manifest)
    job.leaks(wholes)
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
        job.findings.add(UNREADABLE_LABELMAP, [_sentence(error)])
        return job.findings
    job.judge_labelmap(job.labelmap)
    scans: dict[str, Scan] = {}
    wholes = {}
    for split in splits or dataset.default_splits():
        wholes[split] = job.split(dataset, split, job.labelmap, scans)
    job.findings.add(UNKNOWN_CLASS, unknown_classes(scans, job.labelmap))
    job.leaks(wholes)
    return job.findings


@dataclass(slots=True)
class _Job:
    labelmap: LabelMap | None
    decode: bool = True
    workers: int | None = None
    track: Track = lambda items, total, name: items
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
                self.findings.add(UNREADABLE_LABELMAP, [_sentence(error)])
                return
            self.judge_labelmap(self.labelmap)
            stated = manifest["labelmap"].get("sha256") if manifest else None
            if stated is not None and labelmap_digest(self.labelmap) != stated:
                self.findings.add(
                    BUILD_JSON, [f"{file} is not the labelmap that the LMDB was built with"]
                )

    def judge_labelmap(self, labelmap: LabelMap) -> None:
        self.findings.labelmap = labelmap.origin
        faults = (f"{labelmap.origin}: {fault}" for fault in labelmap.faults())
        self.findings.add(LABELMAP_FAULT, faults)

    def recorded(self, lmdb: Path) -> tuple[dict[str, Any], Manifest | None]:
        """What the ``build.json`` beside an LMDB says about it."""
        try:
            manifest = read_manifest(lmdb.parent)
        except InputError as error:
            self.findings.add(BUILD_JSON, [_sentence(error)])
            manifest = None
        for made in manifest["splits"].values() if manifest else ():
            if made["lmdb"] == lmdb.name:
                return made, manifest
        return {}, None

    def lmdb(self, name: str, path: Path, made: dict[str, Any], manifest: Manifest | None) -> Whole:
        """Judge all records of an LMDB, then the whole."""
        whole = Whole(name, self.labelmap, made, manifest, _name_size_file(path, made))
        try:
            with LmdbReader(path) as reader, picture_limits():
                found = ordered_map(self._look, items(reader), self.workers or default_workers())
                for seen, digest, size, picture in self.track(found, len(reader), name):
                    whole.keys.append(seen.key)
                    whole.value_bytes += size
                    whole.content.update(seen.key + b"\0" + digest)
                    whole.add(seen, picture)
                    self._judge(Case(seen, self.labelmap), self.prefix)
        except InputError as error:
            self.findings.add(UNREADABLE_LMDB, [_sentence(error)])
            return whole
        self._judge_whole(whole)
        return whole

    def _look(self, item: tuple[bytes, bytes]) -> tuple[Look, bytes, int, bytes]:
        key, value = item
        seen = look(key, value, decode=self.decode)
        return seen, hashlib.sha256(value).digest(), len(value), _picture_digest(seen)

    def _judge(self, case: Case, prefix: str) -> None:
        for kind, rule in CASE_RULES.items():
            self.findings.add(kind, (prefix + place for place in rule(case)))

    def _judge_whole(self, whole: Whole) -> None:
        counts = {"records": whole.records, "boxes": whole.labels.total()}
        self.findings.checked.append({"name": whole.name, **counts})
        for kind, rule in WHOLE_RULES.items():
            self.findings.add(kind, (self.prefix + place for place in rule(whole)))

    def split(
        self, dataset: Dataset, split: str, labelmap: LabelMap, scans: dict[str, Scan]
    ) -> Whole:
        """Judge a raw split as its build would make it; its scan goes into ``scans``."""
        self.prefix = f"{split}: "
        whole = Whole(split, labelmap)
        options = BuildOptions(
            map=dataset.map,
            empty="keep",
            verify="decode" if self.decode else "header",
            shuffle=False,
        )
        try:
            scanned = scans[split] = scan(dataset, split, labelmap, options)
        except InputError as error:
            self.findings.add(UNREADABLE_SPLIT, [self.prefix + _sentence(error)])
            return whole
        broken = (_sentence(entry.error) for entry in scanned.failures)
        self.findings.add(UNREADABLE_ANNOTATION, broken)
        again = Counter(image for image, _ in scanned.lines)
        self.findings.add(
            DUPLICATED_LINE, (self.prefix + n for n in again for _ in range(again[n] - 1))
        )
        self._notes(scanned.notes)

        def make(image: LabelledImage) -> tuple[LabelledImage, Made, Look, bytes]:
            made = make_record(dataset.root, image, options)
            seen = look(made.key, made.value)
            return image, made, seen, _picture_digest(seen)

        with picture_limits():
            found = ordered_map(make, scanned.images, self.workers or default_workers())
            for image, made, seen, picture in self.track(found, len(scanned.images), split):
                if (judged := self._image(image, made, seen)) is not None:
                    whole.add(judged, picture)
        self._judge_whole(whole)
        return whole

    def _image(self, image: LabelledImage, made: Made, seen: Look) -> Look | None:
        """Judge one picture of a raw data set; None where there is nothing to add up."""
        self._notes(made.notes)
        if made.error is not None or seen.record is None:
            text = _sentence(made.error) if made.error else seen.fault
            self.findings.add(UNREADABLE_PICTURE, [text])
            return None
        entry = image.entry
        # The record's own boxes are grouped by label; these are in the annotation's order.
        width, height = entry.width or seen.record.width, entry.height or seen.record.height
        boxes = normalize(entry.boxes, width, height)
        record = replace(seen.record, labels=image.labels, boxes=boxes, difficult=entry.difficult)
        seen = replace(seen, name=entry.image, record=record)
        places = [entry.place(index) for index in range(len(boxes))]
        self._judge(Case(seen, self.labelmap, places), "")
        return seen

    def _notes(self, notes: Tally) -> None:
        for message, found in notes.kinds.items():
            kind = next((k for start, k in NOTES.items() if message.startswith(start)), "note")
            if kind is not None:
                self.findings.add((WARNING, kind, message), _counted(found))

    def leaks(self, wholes: Mapping[str, Whole]) -> None:
        """Pictures that two splits share, but for splits like trainval that hold another."""
        for (a, first), (b, second) in combinations(wholes.items(), 2):
            if a in b or b in a:
                continue
            shared = (digest for digest in second.pictures if digest in first.pictures)
            self.findings.add(
                SPLIT_LEAK,
                (f"{b}: {second.pictures[d]} is {a}: {first.pictures[d]}" for d in shared),
            )


def _picture_digest(seen: Look) -> bytes:
    return hashlib.sha256(seen.record.data if seen.record else b"").digest()


def _name_size_file(lmdb: Path, made: Mapping[str, Any]) -> Path | None:
    """The file that ``build.json`` names, else one beside the LMDB that is called like it."""
    stated = made.get("name_size")
    if isinstance(stated, str) and "/" not in stated:
        return lmdb.parent / stated
    stem = lmdb.name.removesuffix("_lmdb")
    names = [f"{name}_name_size.txt" for name in (stem, stem.rpartition("_")[2])]
    return next((lmdb.parent / name for name in names if (lmdb.parent / name).is_file()), None)
