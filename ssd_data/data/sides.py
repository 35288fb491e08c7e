"""What is held against something else: the pictures of an LMDB, a build or a raw data set, as a
build with all boxes stores them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ssd_data.core.errors import InputError
from ssd_data.core.files.remote.address import as_path
from ssd_data.core.files.there import is_folder
from ssd_data.core.images import picture_limits
from ssd_data.core.labelmap import LabelMap, read_labelmap
from ssd_data.core.notes import Tally
from ssd_data.core.parallel import default_workers
from ssd_data.core.progress import Track
from ssd_data.core.structures import Boxes, Flags
from ssd_data.data.build.convert import make_record, make_records
from ssd_data.data.build.options import BuildOptions
from ssd_data.data.build.plan import plan
from ssd_data.data.build.scan import LabelledImage, Scan
from ssd_data.data.dataset import Dataset
from ssd_data.data.find import find
from ssd_data.data.formats.splits import is_training
from ssd_data.data.lmdb.companions import labelmap_file
from ssd_data.data.lmdb.manifest import read_manifest
from ssd_data.data.lmdb.one_build import one_build
from ssd_data.data.lmdb.records import decode_record
from ssd_data.data.lmdb.skim import skim
from ssd_data.data.lmdb.store import is_lmdb, open_shared
from ssd_data.data.lmdb.strangers import refuse_stranger
from ssd_data.data.lmdb.table import BoxColumns, BoxTable, read_table

LEFT_OUT = "picture left out (skipped)"


@dataclass(frozen=True, slots=True, eq=False)
class PictureBoxes:
    """A picture of one side.

    Attributes:
        splits: that it is in; none where it is not known.
        size: width and height in pixels.
        classes: (N,) names; boxes: float32 (N, 4), fractions; difficult: bool (N,).
        data: the stored bytes of the picture, read anew.
    """

    splits: tuple[str, ...]
    size: tuple[int, int]
    classes: tuple[str, ...]
    boxes: Boxes
    difficult: Flags
    data: Callable[[], bytes]

    @property
    def trains(self) -> bool:
        """Whether nets learn from it."""
        return any(map(is_training, self.splits))

    def digest(self) -> bytes:
        """Tells its stored bytes from others.

        Raises:
            InputError: they cannot be read.
        """
        return hashlib.sha256(self.data()).digest()


@dataclass(slots=True)
class Compared:
    """The pictures of one side, by their paths; each once, whatever splits it is in.

    Attributes:
        name: what it was called.
        notes: what was left out or changed on reading it.
    """

    name: str
    pictures: dict[str, PictureBoxes] = field(default_factory=dict)
    notes: Tally = field(default_factory=Tally)

    def add(
        self,
        table: BoxTable,
        labelmap: LabelMap,
        split: str,
        data: Callable[[int], Callable[[], bytes]],
    ) -> None:
        """Take in the records of a split.

        Args:
            data: gives, by a record's index, what reads its picture.
        """
        shown = labelmap.shown_apart()
        splits = (split,) if split else ()
        rows = zip(table.images, table.sizes.tolist(), table.rows(), strict=True)
        for index, (image, size, mine) in enumerate(rows):
            if (known := self.pictures.get(image)) is not None:
                self.pictures[image] = replace(known, splits=(*known.splits, *splits))
                continue
            labels = table.labels[mine].tolist()
            self.pictures[image] = PictureBoxes(
                splits,
                (size[0], size[1]),
                tuple(shown.get(label) or labelmap.display_name(label) for label in labels),
                table.boxes[mine],
                table.difficult[mine],
                data(index),
            )


def read_side(
    what: Path | str,
    root: Path | None,
    format: str,
    follow_links: bool,
    reading: Mapping[str, Any],
    track: Track,
) -> tuple[Compared, bool]:
    """A side; and whether it is a raw data set.

    Args:
        what, root, format, follow_links: as :func:`ssd_data.find` takes them.
        reading: how a raw data set is read.

    Raises:
        InputError: it cannot be read, or an LMDB has no labelmap.
        UsageError: it is nothing of the kind.
    """
    path, side = as_path(what), Compared(str(what))
    if is_lmdb(path):
        refuse_stranger(path)
        _add_stored(side, path, "")
        return side, False
    with one_build(path):
        if (manifest := read_manifest(path) if is_folder(path) else None) is not None:
            for split, made in manifest.splits.items():
                _add_stored(side, path / made.lmdb, split)
            return side, False
    dataset = find(what, root, format=format, follow_links=follow_links)
    _add_raw(side, dataset, reading, track)
    return side, True


def _add_stored(side: Compared, path: Path, split: str) -> None:
    with one_build(path):
        file = labelmap_file(path)
        if file is None:
            raise InputError("no labelmap lies beside it", where=path, hint="Its labels need names")
        labelmap = read_labelmap(file)
        records = open_shared(path)
    table = read_table(records)

    def data(index: int) -> Callable[[], bytes]:
        return lambda: records.record(table.keys[index]).data

    side.add(table, labelmap, split, data)


def _add_raw(side: Compared, dataset: Dataset, reading: Mapping[str, Any], track: Track) -> None:
    given = {"unannotated": "background", **reading}
    options = BuildOptions.reading(given, empty="keep", shuffle=False)
    made = plan(dataset, options, list(dataset.splits))
    with picture_limits():
        for split, scanned in made.scans().items():
            _add_scan(side, dataset, split, scanned, made.labelmap, made.options, track)


def _add_scan(
    side: Compared,
    dataset: Dataset,
    split: str,
    scanned: Scan,
    labelmap: LabelMap,
    options: BuildOptions,
    track: Track,
) -> None:
    side.notes.merge(scanned.notes)
    _require(side, (entry.error for entry in scanned.failures), options)
    columns, kept = BoxColumns(), list[LabelledImage]()
    records = make_records(dataset.root, scanned.images, options, default_workers())
    tracked = track(records, len(scanned.images), split)
    for image, record in zip(scanned.images, tracked, strict=True):
        side.notes.merge(record.notes)
        if record.error is not None:
            _require(side, [record.error], options)
            continue
        columns.add(record.key, skim(record.key, memoryview(record.value)))
        kept.append(image)

    def data(index: int) -> Callable[[], bytes]:
        def read() -> bytes:
            record = make_record(dataset.root, kept[index], options)
            if record.error is not None:
                raise record.error
            return decode_record(record.key, record.value).data

        return read

    side.add(columns.table(), labelmap, split, data)


def _require(side: Compared, errors: Iterable[InputError], options: BuildOptions) -> None:
    for error in errors:
        if options.missing != "skip":
            raise error
        side.notes.add(LEFT_OUT, error.sentence)
