"""The rules of ``ssd-data check``, one small function each.

A rule looks at the boxes of a record, a record (``Case``) or a whole LMDB or split (``Whole``,
both in ``cases.py``), and says where it is broken. To add one, write it below its decorator;
nothing else lists it.
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
from ssd_data.data.check.cases import Case, Whole
from ssd_data.data.check.findings import ERROR, WARNING, Kind, counted
from ssd_data.data.lmdb.manifest import Manifest
from ssd_data.data.lmdb.records import Record
from ssd_data.data.lmdb.survey import bands, class_name, printable

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
        yield from (f"{n}: {channels}, most have {by_count[0][0]}" for n in counted(found))


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
    return counted(whole.twins.kinds.get("twin", Count()))


@whole_rule(ERROR, "name-size", "the file of names and sizes does not fit the records")
def _name_size(whole: Whole) -> Iterator[str]:
    if whole.name_size is None:
        return
    try:
        lines = read_lines(whole.name_size, "file of names and sizes")
    except InputError as error:
        yield error.sentence
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


def _number(key: bytes) -> int | None:
    number, parted, _ = key.partition(b"_")
    return int(number) if parted and number.isdigit() else None


def _text(key: bytes) -> str:
    return printable(key.decode("utf-8", "backslashreplace"))


def _resizes(manifest: Manifest) -> bool:
    return any(manifest["options"].get(name) for name in ("size", "min_dim", "max_dim"))
