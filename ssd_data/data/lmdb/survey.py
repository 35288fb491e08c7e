"""What an AnnotatedDatum LMDB holds: its records looked at one by one, counted and measured.

Only headers of pictures are read. Whatever bytes a value holds, a look at it says what is wrong and
raises nothing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ssd_data.core.boxes import is_empty, is_outside
from ssd_data.core.errors import InputError
from ssd_data.core.headers import PictureInfo
from ssd_data.core.images import probe
from ssd_data.core.labelmap import LabelMap
from ssd_data.core.legible import visible
from ssd_data.core.notes import Tally
from ssd_data.core.structures import Boxes, Flags
from ssd_data.data.lmdb.records import Record, decode_record, key_text
from ssd_data.data.lmdb.skim import skimmed
from ssd_data.data.lmdb.store import LmdbReader
from ssd_data.data.lmdb.table import BROKEN, BoxColumns, BoxTable

MOST_FREQUENT = 5
NOT_FINITE, EMPTY, OUTSIDE = "not finite", "inverted or without area", "leaves the picture"
PERCENTILES = {"min": 0, "5%": 5, "median": 50, "95%": 95, "max": 100}


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One record as it was found.

    Attributes:
        key: as stored; ``name``: the same as text that can be printed.
        record: None where the value is no AnnotatedDatum.
        info: the stored picture's own header ("raw" for raw values); None where it is unreadable.
        error: why one of them is None or the pixels do not decode, else None.
    """

    key: bytes
    name: str
    record: Record | None = None
    info: PictureInfo | None = None
    error: InputError | None = None

    @property
    def fault(self) -> str:
        """What is wrong, as ``key: what``; empty where nothing is."""
        return f"{self.name}: {visible(self.error.what)}" if self.error else ""


def look(key: bytes, value: bytes, *, decode: bool = False) -> Look:
    """Look at one record; with ``decode`` also at all of its pixels. Raises nothing."""
    name = key_text(key)
    record = info = error = None
    try:
        record = decode_record(key, value)
        info = _picture(record)
        if decode and record.encoded:
            record.decode()
    except InputError as found:
        error = found
    except Exception as found:  # on hostile bytes Pillow's readers raise what they like
        error = InputError(f"cannot be read: {found!r}", where=name)
    return Look(key, name, record, info, error)


def _picture(record: Record) -> PictureInfo:
    if not record.data:
        raise InputError("the record holds no picture", where=record.key)
    if record.encoded:
        return probe(record.data, record.key)
    record.decode()  # raw values are only counted by this
    return PictureInfo("raw", record.width, record.height, f"{record.channels} bands")


def bands(info: PictureInfo) -> int | None:
    """How many channels Caffe's decoder makes of a picture; None where that is not known."""
    if info.mode.endswith("bands"):
        return int(info.mode.split()[0])
    if info.mode.endswith("transparent"):
        return 4
    return {"1": 1, "L": 1, "P": 3, "RGB": 3, "CMYK": 3, "YCbCr": 3, "LA": 4, "RGBA": 4}.get(
        info.mode
    )


def class_name(label: int, labelmap: LabelMap | None) -> str:
    """What people call a label, on one line; ``label 7`` where no labelmap knows it."""
    return visible(labelmap.display_name(label)) if labelmap else f"label {label}"


def find_item(reader: LmdbReader, which: int | str) -> tuple[bytes, bytes]:
    """Key and value of one record, by index (0 is the first, -1 the last) or by key.

    Raises:
        InputError: there is no such record; keys that hold the text are named.
    """
    keys = reader.keys()
    if isinstance(which, str):
        key = which.encode("utf-8", "surrogateescape")
        if key not in keys:
            raise _no_such_key(keys, key, reader)
    elif -len(keys) <= which < len(keys):
        key = keys[which]
    else:
        raise InputError(f"no record {which}: there are {len(keys)}", where=reader.path)
    return key, reader.value(key)


def _no_such_key(keys: list[bytes], key: bytes, reader: LmdbReader) -> InputError:
    near = [key_text(k) for k in keys if key in k][:3]
    shown = key_text(key)
    hint = f"Keys with it: {', '.join(near)}" if near else "--index N takes a record by its place"
    return InputError(f'no record has the key "{shown}"', where=reader.path, hint=hint)


class Survey:
    """Counts and measures records; what it keeps is a few numbers a box and a picture.

    Args:
        labelmap: names the classes; None for label numbers.
    """

    def __init__(self, labelmap: LabelMap | None = None) -> None:
        self.labelmap = labelmap
        self.records = self.bytes = 0
        self.remarks = Tally()
        self.broken = Tally()
        self._formats: Counter[str] = Counter()
        self._columns = BoxColumns()

    def add(self, seen: Look) -> None:
        """Take in one record; a broken one is counted, listed and left out of all else."""
        self.records += 1
        if seen.error is not None or seen.record is None or seen.info is None:
            self.broken.add("broken", seen.fault)
            self._columns.add(seen.key, BROKEN, seen.fault)
            return
        record = seen.record
        self._formats[seen.info.format] += 1
        self.bytes += len(record.data)
        self._columns.add(seen.key, skimmed(record))
        boxes = record.boxes
        odd = ~np.isfinite(boxes).all(axis=1) | is_empty(boxes) | is_outside(boxes)
        for index in np.flatnonzero(odd):
            box = box_text(record, int(index), self.labelmap)
            self.remarks.add(remark(boxes[index]), f"{seen.name}: {box}")

    def table(self) -> BoxTable:
        """The boxes of all records."""
        return self._columns.table()

    def summary(self) -> dict[str, Any]:
        """All of it as JSON has it; lengths in pixels, shares of the picture's sides or area."""
        table = self.table()
        boxes = table.count()
        whole = table.channels > 0
        classes = self._classes(table)
        used = {row["label"] for row in classes}
        known = dict.fromkeys(item.label for item in self.labelmap or () if item.label != 0)
        return {
            "records": self.records,
            "broken": _listed(self.broken, "broken"),
            "boxes": len(table.labels),
            "most_boxes": int(boxes.max(initial=0)),
            "difficult": int(table.difficult.sum()),
            "without_boxes": int((whole & (boxes == 0)).sum()),
            "first_key": table.names[0] if table.names else "",
            "last_key": table.names[-1] if table.names else "",
            "pictures": self._pictures(table, whole),
            "classes": classes,
            "absent": [class_name(n, self.labelmap) for n in known if n not in used],
            "box_statistics": _statistics(table),
            "outside": _listed(self.remarks, OUTSIDE),
            "empty": _listed(self.remarks, EMPTY),
            "not_finite": _listed(self.remarks, NOT_FINITE),
        }

    def _classes(self, table: BoxTable) -> list[dict[str, Any]]:
        """Of each label that a box has: how many, in how many pictures, how many difficult."""
        used, place, counts = np.unique(table.labels, return_inverse=True, return_counts=True)
        among = np.unique(place.ravel() * len(table) + table.record) // max(len(table), 1)
        columns = zip(
            used.tolist(),
            counts.tolist(),
            np.bincount(among, minlength=len(used)).tolist(),
            np.bincount(place.ravel()[table.difficult], minlength=len(used)).tolist(),
            strict=True,
        )
        return [
            {
                "label": label,
                "name": class_name(label, self.labelmap),
                "boxes": boxes,
                "pictures": pictures,
                "difficult": difficult,
            }
            for label, boxes, pictures, difficult in columns
        ]

    def _pictures(self, table: BoxTable, whole: Flags) -> dict[str, Any]:
        sizes, channels = table.sizes[whole], Counter(table.channels[whole].tolist())
        different = Counter(map(tuple, sizes.tolist()))
        return {
            "bytes": self.bytes,
            "formats": dict(self._formats.most_common()),
            "channels": {str(n): count for n, count in channels.most_common()},
            "width": _spread(sizes[:, 0]),
            "height": _spread(sizes[:, 1]),
            "sizes": [
                {"width": width, "height": height, "pictures": count}
                for (width, height), count in different.most_common(MOST_FREQUENT)
            ],
            "different_sizes": len(different),
        }


def _statistics(table: BoxTable) -> dict[str, Any]:
    """Of the boxes that have an area."""
    boxes = table.boxes[table.sound].astype(np.float64)
    shares, sides = boxes[:, 2:] - boxes[:, :2], table.sides[table.sound]
    return {
        "boxes": len(sides),
        "width": _spread(sides[:, 0]),
        "height": _spread(sides[:, 1]),
        "width_share": _spread(shares[:, 0]),
        "height_share": _spread(shares[:, 1]),
        "area_share": _spread(shares[:, 0] * shares[:, 1]),
        "aspect_ratio": _spread(sides[:, 0] / sides[:, 1]),
    }


def pixel_boxes(record: Record) -> Boxes:
    """A record's boxes in pixels of the stored picture; float32 (N, 4)."""
    with np.errstate(over="ignore"):
        return record.boxes * np.array([record.width, record.height] * 2, np.float32)


def box_text(record: Record, index: int, labelmap: LabelMap | None) -> str:
    """One box in a line: its place in the record (from 0), class and corners in pixels."""
    with np.errstate(over="ignore"):
        box = record.boxes[index] * np.array([record.width, record.height] * 2, np.float32)
    shown = " ".join(f"{value:.6g}" for value in box)
    return f"box {index}: {class_name(int(record.labels[index]), labelmap)} {shown}"


def remark(box: Boxes) -> str:
    """What is odd about one box, float32 (4,), of fractions; empty where nothing is."""
    boxes = box.reshape(1, 4)
    if not np.isfinite(box).all():
        return NOT_FINITE
    if is_empty(boxes).any():
        return EMPTY
    return OUTSIDE if is_outside(boxes).any() else ""


def _listed(tally: Tally, kind: str) -> dict[str, Any]:
    return tally.to_json().get(kind, {"count": 0, "listed": []})


def _spread(values: npt.NDArray[Any]) -> dict[str, float]:
    """The percentiles of the values; empty where there are none."""
    if not len(values):
        return {}
    found = np.percentile(values, list(PERCENTILES.values())).tolist()
    return {name: float(f"{v:.6g}") for name, v in zip(PERCENTILES, found, strict=True)}
