"""An AnnotatedDatum LMDB, ours or the original's, back to pictures and annotations.

Building what was exported gives the same records: pictures' bytes are not touched, boxes come back
to the bit wherever pixels can say them. All is written into a hidden folder beside the place where
it belongs, which takes its name when all of it is there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from ssd_data.core.errors import InputError, UsageError
from ssd_data.core.files.remote.address import as_path
from ssd_data.core.files.there import is_file
from ssd_data.core.files.together import new_folder
from ssd_data.core.files.whole import write_text
from ssd_data.core.images import encode, picture_limits, probe
from ssd_data.core.labelmap import LabelMap, read_labelmap
from ssd_data.core.notes import Tally
from ssd_data.core.progress import Track, untracked
from ssd_data.core.registry import WRITERS
from ssd_data.data.cut import Cut, cut
from ssd_data.data.formats.numbers import FAR
from ssd_data.data.formats.writing import ROUNDED, PictureFile, Target, is_safe
from ssd_data.data.lmdb.companions import labelmap_file, name_size_file, split_of
from ssd_data.data.lmdb.manifest import LABELMAP
from ssd_data.data.lmdb.one_build import one_build
from ssd_data.data.lmdb.records import Record, decode_record, key_of
from ssd_data.data.lmdb.store import LmdbReader

ANY_SIZE = 1 << 62
MOST_PIXELS = FAR / 2  # so that widths of boxes are no farther
RENAMED = "key changes when it is built again"


@dataclass(slots=True)
class ExportResult:
    """What an export did.

    >>> export("test_lmdb", "voc", "devkit").renamed  # their keys stay as they are
    0

    Attributes:
        out: the folder.
        format: "voc", "coco" or "yolo".
        split: the split's name there.
        pictures, boxes, difficult: how many were written.
        notes: what the format could not hold.
        command: the words of the command that builds it again.
    """

    out: Path
    format: str
    split: str
    pictures: int = 0
    boxes: int = 0
    difficult: int = 0
    notes: Tally = field(default_factory=Tally)
    command: list[str] = field(default_factory=list)

    @property
    def rounded(self) -> int:
        """The boxes that nothing written gives back; they change in the last place."""
        return self._noted(ROUNDED)

    @property
    def renamed(self) -> int:
        """The records whose keys a build will write otherwise."""
        return self._noted(RENAMED)

    def _noted(self, kind: str) -> int:
        return self.notes.kinds[kind].count if kind in self.notes.kinds else 0

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON has it."""
        names = "out format split pictures boxes difficult rounded renamed command"
        table = {name: getattr(self, name) for name in names.split()}
        return {**table, "out": str(self.out), "notes": self.notes.to_json()}


def export(
    lmdb: Path | str,
    to: str,
    out: Path | str,
    *,
    labelmap: LabelMap | None = None,
    split: str | None = None,
    sample: int | None = None,
    classes: Sequence[str] = (),
    track: Track = untracked,
) -> ExportResult:
    """Write an LMDB's records as pictures and annotations.

    >>> result = export("test_lmdb", "coco", "exported", split="val")
    >>> result.pictures, result.boxes
    (4, 14)
    >>> " ".join(result.command)
    'ssd-data build ./exported --split val --no-shuffle --empty keep -o exported_lmdb'

    Args:
        lmdb: the LMDB's folder.
        to: "voc", "coco", "yolo" or "retinaface".
        out: the folder to write; it must not be there yet, or be empty, or hold just this export.
        labelmap: instead of the ``labelmap.prototxt`` in the LMDB's folder or the one above.
        sample: only so many of its records, chosen at random, always the same.
        classes: only boxes of these classes, and records that have one.
        split: instead of what the build or the LMDB's name (``<name>_<split>_lmdb``) says.
        track: wraps the records as they are read, to show progress.

    Raises:
        InputError: there is no labelmap or it lacks a label; a record or its picture is broken.
        OutputError: the folder is taken or cannot be written. Nothing is left behind.
        UsageError: the split's name cannot be a file's.
    """
    lmdb, out, module = as_path(lmdb), Path(out), WRITERS.load(to)
    with (
        new_folder(out.resolve(), marks=[LABELMAP], sync=True) as folder,
        one_build(lmdb),
        LmdbReader(lmdb) as reader,
        picture_limits(),
    ):
        built, sizes = split_of(lmdb), name_size_file(lmdb)
        split = split or (built if _is_name(built) else "all")
        result = ExportResult(out, to, _checked(split))
        known = (labelmap or _labelmap_of(lmdb)).require_sound()
        left = cut(reader, known, sample, classes)
        target = Target(
            folder,
            result.split,
            left.labelmap,
            len(left.rows),
            sizes if is_file(sizes) and len(left.rows) == len(reader) else None,
            result.notes,
        )
        writer = module.WRITER(target)
        items = track(left.items(reader), len(left.rows), out.name)
        forms = _write(items, left, known, target, writer, result)
        writer.finish()
        write_text(folder / LABELMAP, writer.labelmap.to_text())
    result.command = ["ssd-data", "build", *writer.command(out), *forms, "-o", f"{out}_lmdb"]
    return result


def _write(
    items: Iterable[tuple[bytes, bytes]],
    left: Cut,
    known: LabelMap,
    target: Target,
    writer: Any,
    result: ExportResult,
) -> tuple[str, ...]:
    """Write all records; returns the build's options that store pictures as they were stored."""
    forms: Counter[tuple[str, ...]] = Counter()
    largest = 0.0
    for index, (key, value) in enumerate(items):
        record = decode_record(key, value)
        _require_writable(record, known)
        record = left.only(record)
        picture = _picture(record, result.notes)
        path = writer.add(index, record, picture)
        if key_of(index, path) != key:
            result.notes.add(RENAMED, f"{record.key}: {key_of(index, path).decode()}")
        if not _is_in_order(record):
            result.notes.add("boxes are grouped or numbered unlike a build does it", record.key)
        forms[_form(record, picture.kind)] += 1
        result.pictures += 1
        result.boxes += len(record.labels)
        result.difficult += int(record.difficult.sum())
        largest = max(largest, _largest(record))
    (most, _), *others = forms.most_common()
    for form, number in others:
        result.notes.add("pictures are not all stored alike", f"{number} x {' '.join(form)}")
    return (*most, "--boxes", "pixels") if 0 < largest <= 1 else most


def _largest(record: Record) -> float:
    """The farthest corner in pixels: where none is beyond 1, a build would ask for the unit."""
    sides = [record.width, record.height] * 2
    return float((record.boxes.astype(np.float64) * sides).max(initial=0))


def _require_writable(record: Record, labelmap: LabelMap) -> None:
    known = {item.label for item in labelmap}
    for label in record.labels.tolist():
        if label not in known or label <= 0:
            what = "is not in the labelmap" if label not in known else "is no class"
            raise InputError(
                f"the label {label} {what}",
                where=record.key,
                hint=f"The labelmap is {labelmap.origin}; name another with --labelmap FILE",
            )
    sides = np.array([record.width, record.height] * 2)
    fine = np.abs(record.boxes.astype(np.float64) * sides) < MOST_PIXELS  # false for NaN
    if not fine.all():
        row = record.boxes[np.flatnonzero(~fine.all(axis=1))[0]]
        raise InputError(f"the box {row} has no pixels that can be written", where=record.key)


def _picture(record: Record, notes: Tally) -> PictureFile:
    """The stored bytes as they are, raw values as a PNG, which loses nothing."""
    if not record.encoded:
        if record.channels not in (1, 3):
            raise InputError(f"{record.channels} raw channels make no picture", where=record.key)
        return PictureFile(encode(record.decode(), "png"), "png")
    info = probe(record.data, record.key, ANY_SIZE)
    if (info.width, info.height) != (record.width, record.height):
        sizes = f"{record.width}x{record.height}, the picture {info.width}x{info.height}"
        notes.add("the header states another size than the picture has", f"{record.key}: {sizes}")
    if info.format not in ("jpg", "png") or info.mode != ("L" if record.channels == 1 else "RGB"):
        stored = f"{info.mode} {info.format} with {record.channels} channels"
        notes.add("picture is encoded anew when it is built again", f"{record.key}: {stored}")
    return PictureFile(record.data, info.format)


def _form(record: Record, kind: str) -> tuple[str, ...]:
    stored = kind if record.encoded else "raw"
    encoding = ("--encode", stored) if stored in ("png", "raw") else ()
    return (*encoding, *(("--gray",) if record.channels == 1 else ()))


def _is_in_order(record: Record) -> bool:
    """Whether a build would group the boxes by label and number them in the same way."""
    labels = record.labels.tolist()
    groups = [label for label, _ in groupby(labels)]
    numbers: Counter[int] = Counter()
    for label, number in zip(labels, record.instance_ids.tolist(), strict=True):
        if number != numbers[label]:
            return False
        numbers[label] += 1
    return len(groups) == len(set(groups))


def _labelmap_of(lmdb: Path) -> LabelMap:
    if (file := labelmap_file(lmdb)) is not None:
        return read_labelmap(file)
    raise InputError(
        f"no labelmap: there is no {LABELMAP} in this folder or the one above",
        where=lmdb,
        hint="Say what the labels mean with --labelmap FILE",
    )


def _checked(split: str) -> str:
    if not _is_name(split):
        raise UsageError(f"{split!r} cannot be a file's name", where="--split")
    return split


def _is_name(split: str) -> bool:
    return "/" not in split and is_safe(f"{split}.txt")
