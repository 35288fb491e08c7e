"""Records of an LMDB as other tools take them: a picture's file, boxes in pixels, class names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ssd_data.core.errors import InputError
from ssd_data.core.images import encode, probe, without_orientation
from ssd_data.core.labelmap import LabelMap, read_labelmap
from ssd_data.data.lmdb.companions import labelmap_of
from ssd_data.data.lmdb.records import Record
from ssd_data.data.lmdb.store import open_shared

BACKGROUND = 0


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One record for another tool.

    Attributes:
        key: the record's; image: the picture's path, which is the key without its number.
        data: a picture file as stored, raw values as PNG, without an EXIF orientation: boxes are of
            the picture as it is stored. extension: what its format is called, ``jpg``.
        width, height: in pixels.
        boxes: float64 (N, 4), xmin ymin width height in pixels of the stored picture.
        classes: int64 (N,), places in :attr:`LmdbEntries.names`.
        difficult: bool (N,).
    """

    key: str
    image: str
    data: bytes
    extension: str
    width: int
    height: int
    boxes: npt.NDArray[np.float64]
    classes: npt.NDArray[np.int64]
    difficult: npt.NDArray[np.bool_]


class LmdbEntries:
    """An LMDB's records one after another, and what its labels mean.

    Args:
        lmdb: its folder. labelmap: names the classes; None for the one in it or beside it.

    Attributes:
        names: of the classes without the background, by their places in the labelmap.

    Raises:
        InputError: there is no LMDB or no labelmap.
    """

    def __init__(self, lmdb: Path | str, labelmap: LabelMap | Path | str | None = None) -> None:
        self.reader = open_shared(lmdb)
        if labelmap is None:
            labelmap = labelmap_of(self.reader.path)
        elif not isinstance(labelmap, LabelMap):
            labelmap = read_labelmap(labelmap)
        items = [item for item in labelmap.require_sound() if item.label != BACKGROUND]
        self.names = [labelmap.display_name(item.label) for item in items]
        self._places = {item.label: place for place, item in enumerate(items)}

    def __len__(self) -> int:
        return len(self.reader)

    def __iter__(self) -> Iterator[Entry]:
        """In the LMDB's order.

        Raises:
            InputError: a record cannot be read, has a box that is no box, or a class that the
                labelmap lacks; the error names it.
        """
        for record in self.reader:
            with self.reader.naming():
                yield self._entry(record)

    def _entry(self, record: Record) -> Entry:
        sides = np.array([record.width, record.height] * 2, np.float64)
        boxes = record.boxes.astype(np.float64) * sides
        boxes[:, 2:] -= boxes[:, :2]
        if not (np.isfinite(boxes).all() and (boxes[:, 2:] > 0).all()):
            hint = "Build it anew with --empty drop or --empty mend"
            raise InputError("it has a box without area", where=record.key, hint=hint)
        data, extension = _file(record)
        return Entry(
            record.key, record.image, data, extension, record.width, record.height, boxes,
            np.array([self._place(record, label) for label in record.labels.tolist()], np.int64),
            record.difficult.astype(np.bool_),
        )  # fmt: skip

    def _place(self, record: Record, label: int) -> int:
        if label not in self._places:
            hint = "Give the labelmap that it was built with"
            raise InputError(f"the labelmap has no class {label}", where=record.key, hint=hint)
        return self._places[label]


def _file(record: Record) -> tuple[bytes, str]:
    if not record.encoded:
        if record.channels not in (1, 3):
            raise InputError(f"{record.channels} raw channels make no picture", where=record.key)
        return encode(record.decode(), "png"), "png"
    info = probe(record.data, record.key)
    return without_orientation(record.data, info), info.format
