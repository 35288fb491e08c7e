"""The rules of ``ssd-data check``, one small function each.

A rule looks at the boxes of a record, a record (``RecordCase``) or a whole LMDB or split
(``SplitSummary``, both in ``cases.py``), and says where it is broken. To add one, write it below
its decorator; nothing else lists it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import numpy as np

from ssd_data.core.boxes import is_empty, is_outside
from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import read_lines
from ssd_data.core.labelmap import LabelMap
from ssd_data.core.notes import Count
from ssd_data.core.structures import Boxes, Flags
from ssd_data.data.check.cases import RecordCase, SplitSummary
from ssd_data.data.check.findings import ERROR, WARNING, Kind, counted
from ssd_data.data.lmdb.records import Record, key_text
from ssd_data.data.lmdb.survey import bands, class_name

BoxRule: TypeAlias = Callable[[Record, LabelMap | None], Flags]
RecordRule: TypeAlias = Callable[[RecordCase], Iterable[str]]
SplitRule: TypeAlias = Callable[[SplitSummary], Iterable[str]]
RECORD_RULES: dict[Kind, RecordRule] = {}
SPLIT_RULES: dict[Kind, SplitRule] = {}


def record_rule(severity: str, name: str, message: str) -> Callable[[RecordRule], RecordRule]:
    """A rule about one record: yields the places where it is broken."""

    def register(rule: RecordRule) -> RecordRule:
        RECORD_RULES[severity, name, message] = rule
        return rule

    return register


def box_rule(severity: str, name: str, message: str) -> Callable[[BoxRule], BoxRule]:
    """A rule about a record's boxes: says which of them break it, bool (N,)."""

    def register(rule: BoxRule) -> BoxRule:
        def judge(case: RecordCase) -> Iterator[str]:
            record = case.seen.record
            if record is not None and len(record.labels):
                yield from case.at(record, rule(record, case.labelmap))

        RECORD_RULES[severity, name, message] = judge
        return rule

    return register


def split_rule(severity: str, name: str, message: str) -> Callable[[SplitRule], SplitRule]:
    """A rule about an LMDB or split: yields what breaks it."""

    def register(rule: SplitRule) -> SplitRule:
        SPLIT_RULES[severity, name, message] = rule
        return rule

    return register


@record_rule(ERROR, "unreadable-record", "record is no AnnotatedDatum that can be read")
def _unreadable_record(case: RecordCase) -> Iterator[str]:
    if case.seen.record is None:
        yield case.seen.fault


@record_rule(ERROR, "unreadable-picture", "picture cannot be read")
def _unreadable_picture(case: RecordCase) -> Iterator[str]:
    if case.seen.record is not None and case.seen.error is not None:
        yield case.seen.fault


@record_rule(ERROR, "header-size", "header states another size than the picture has")
def _header_size(case: RecordCase) -> Iterator[str]:
    record, info = case.seen.record, case.seen.info
    if record and info and (record.width, record.height) != (info.width, info.height):
        stated, real = f"{record.width}x{record.height}", f"{info.width}x{info.height}"
        yield f"{case.seen.name}: {stated}, the picture {real}"


@record_rule(ERROR, "header-channels", "header states other channels than the picture has")
def _header_channels(case: RecordCase) -> Iterator[str]:
    record, info = case.seen.record, case.seen.info
    if record and info and bands(info) not in (record.channels, None):
        yield f"{case.seen.name}: {record.channels}, the picture {bands(info)} ({info.mode})"


@record_rule(WARNING, "exif-orientation", "picture has an EXIF orientation: readers may turn it")
def _exif_orientation(case: RecordCase) -> Iterator[str]:
    if case.seen.info is not None and case.seen.info.orientation_at is not None:
        yield case.seen.name


@record_rule(WARNING, "without-boxes", "record has no box")
def _without_boxes(case: RecordCase) -> Iterator[str]:
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


@split_rule(ERROR, "no-box-at-all", "there is no box at all")
def _no_box_at_all(split: SplitSummary) -> Iterator[str]:
    if not len(split.table.labels):
        yield f"{len(split.table)} records"


@split_rule(ERROR, "mixed-channels", "picture has another number of channels than most")
def _mixed_channels(split: SplitSummary) -> Iterator[str]:
    by_count = sorted(split.channels.kinds.items(), key=lambda pair: -pair[1].count)
    for channels, found in by_count[1:]:
        yield from (f"{n}: {channels}, most have {by_count[0][0]}" for n in counted(found))


@split_rule(WARNING, "absent-class", "class of the labelmap has no box")
def _absent_class(split: SplitSummary) -> Iterator[str]:
    used = set(split.table.labels.tolist())
    for item in split.labelmap or ():
        if item.label > 0 and item.label not in used:
            yield class_name(item.label, split.labelmap)


@split_rule(WARNING, "unnumbered-key", "key does not start with a number and _")
def _unnumbered_key(split: SplitSummary) -> Iterator[str]:
    return (key_text(key) for key in split.keys if _number(key) is None)


@split_rule(WARNING, "key-order", "key has no higher number than the one before it")
def _key_order(split: SplitSummary) -> Iterator[str]:
    numbered = [(n, key) for key in split.keys if (n := _number(key)) is not None]
    for (before, _), (number, key) in pairwise(numbered):
        if number <= before:
            yield key_text(key)


@split_rule(WARNING, "key-gap", "key's number leaves a gap")
def _key_gap(split: SplitSummary) -> Iterator[str]:
    expected = 0
    for key in split.keys:
        number = _number(key)
        if number is not None and number > expected:
            missing = f"{expected}" if number == expected + 1 else f"{expected} to {number - 1}"
            yield f"{missing}, before {key_text(key)}"
        expected = expected if number is None else number + 1


@split_rule(WARNING, "duplicated-picture", "picture is there once more")
def _duplicated_picture(split: SplitSummary) -> Iterator[str]:
    return counted(split.twins.kinds.get("twin", Count()))


@split_rule(ERROR, "name-size", "the file of names and sizes does not fit the records")
def _name_size(split: SplitSummary) -> Iterator[str]:
    if split.name_size is None:
        return
    try:
        lines = read_lines(split.name_size, "file of names and sizes")
    except InputError as error:
        yield error.sentence
        return
    if len(lines) != len(split.table):
        yield f"{split.name_size}: {len(lines)} lines for {len(split.table)} records"
        return
    rows = [line.rsplit(maxsplit=2) for line in lines]
    named = _names_fit([row[0] if row else "" for row in rows], split.keys)
    sized = split.manifest is not None and not split.manifest.resizes
    for number, (row, (width, height)) in enumerate(
        zip(rows, split.table.sizes.tolist(), strict=True)
    ):
        where = f"{split.name_size}:{number + 1}"
        if len(row) != 3 or not all(n.isdecimal() and len(n) < 10 for n in row[1:]):
            yield f"{where}: not a name, height and width"
        elif not named[number]:
            yield f"{where}: {row[0]}, the record is {key_text(split.keys[number])}"
        elif sized and height > 0 and [int(row[1]), int(row[2])] != [height, width]:
            yield f"{where}: height and width {row[1]} {row[2]}, the record {height} {width}"


def _names_fit(names: list[str], keys: list[bytes]) -> list[bool]:
    """Which names are those of their keys' pictures; COCO's image ids may be any numbers."""
    stems = [Path(key_text(key).partition("_")[2]).stem for key in keys]
    if all(name.isdecimal() for name in names):
        names = [name.lstrip("0") for name in names]
        stems = [stem.rpartition("_")[2].lstrip("0") for stem in stems]
        if sorted(names) != sorted(stems):
            return [True] * len(names)
    return [name == stem for name, stem in zip(names, stems, strict=True)]


@split_rule(ERROR, "build-json", "build.json does not state what is there")
def _build_json(split: SplitSummary) -> Iterator[str]:
    table = split.table
    found = {
        "records": len(table),
        "boxes": len(table.labels),
        "difficult": int(table.difficult.sum()),
        "without_boxes": int(((table.channels > 0) & (table.count() == 0)).sum()),
        "bytes": split.value_bytes,
        "content_digest": split.content.hexdigest(),
    }
    for key, value in found.items():
        stated = getattr(split.made, key, None)
        if stated not in (None, value):
            yield f"{key} is {value}, build.json says {stated}"


def _finite(boxes: Boxes) -> Flags:
    finite: Flags = np.all(np.isfinite(boxes), axis=1)
    return finite


def _drawable(boxes: Boxes) -> Flags:
    return _finite(boxes) & ~is_empty(boxes)


def _lost(boxes: Boxes) -> Flags:
    before, behind = np.any(boxes[:, 2:] <= 0, axis=1), np.any(boxes[:, :2] >= 1, axis=1)
    lost: Flags = before | behind
    return lost


def _number(key: bytes) -> int | None:
    number, parted, _ = key.partition(b"_")
    return int(number) if parted and number.isdigit() else None
