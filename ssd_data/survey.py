"""What an AnnotatedDatum LMDB holds: its records looked at one by one, counted and measured.

Only headers of pictures are read. Whatever bytes a value holds, a look at it says what is wrong and
raises nothing.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from os import fsencode
from typing import Any

import lmdb
import numpy as np
import numpy.typing as npt

from ssd_data.boxes import is_empty, is_outside
from ssd_data.errors import InputError
from ssd_data.labelmap import LabelMap
from ssd_data.pictures import PictureInfo, probe
from ssd_data.records import decode_record
from ssd_data.store import LmdbReader
from ssd_data.structures import Boxes, Record
from ssd_data.tally import Tally

MOST_FREQUENT = 5
PERCENTILES = {"min": 0, "5%": 5, "median": 50, "95%": 95, "max": 100}


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One record as it was found.

    Attributes:
        key: as stored; ``name``: the same as text that can be printed.
        record: None where the value is no AnnotatedDatum.
        info: the stored picture's own header, of format "raw" for raw values; None where unreadable.
        error: why ``record`` or ``info`` is None or the pixels do not decode, else None.
    """

    key: bytes
    name: str
    record: Record | None = None
    info: PictureInfo | None = None
    error: InputError | None = None

    @property
    def fault(self) -> str:
        """What is wrong, as ``key: what``; empty where nothing is."""
        return f"{self.name}: {printable(self.error.what)}" if self.error else ""


def look(key: bytes, value: bytes, *, decode: bool = False) -> Look:
    """Look at one record; with ``decode`` also at all of its pixels. Raises nothing."""
    name = printable(key.decode("utf-8", "backslashreplace"))
    record = info = None
    try:
        record = decode_record(key, value)
        found = _picture(record)
        if decode and record.encoded:
            record.decode()
        info = found
    except InputError as error:
        return Look(key, name, record, info, error)
    except Exception as error:  # on hostile bytes Pillow's readers raise what they like
        return Look(key, name, record, info, InputError(f"cannot be read: {error!r}", where=name))
    return Look(key, name, record, info)


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


def printable(text: str) -> str:
    """Text with line ends and other control characters written as escapes."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def class_name(label: int, labelmap: LabelMap | None) -> str:
    """What people call a label, on one line; ``label 7`` where no labelmap knows it."""
    return printable(labelmap.display_name(label)) if labelmap else f"label {label}"


def items(reader: LmdbReader, limit: int | None = None) -> Iterator[tuple[bytes, bytes]]:
    """The first ``limit`` keys and values, or all.

    Raises:
        InputError: the database itself is corrupt.
    """
    try:
        yield from islice(reader.items(), limit)
    except lmdb.Error as error:
        raise InputError(f"the LMDB is corrupt: {error}", where=reader.path) from None


def find_item(reader: LmdbReader, which: int | str) -> tuple[bytes, bytes]:
    """Key and value of one record, by index (0 is the first, -1 the last) or by key.

    Raises:
        InputError: there is no such record; keys that hold the text are named.
    """
    try:
        if isinstance(which, int):
            if not -len(reader) <= which < len(reader):
                raise InputError(f"no record {which}: there are {len(reader)}", where=reader.path)
            key = reader.keys()[which]
        else:
            key = fsencode(which)
            if not 0 < len(key) <= 511 or key not in (keys := reader.keys()):
                near = [k.decode(errors="backslashreplace") for k in keys if key in k][:3]
                raise InputError(
                    f'no record has the key "{printable(which)}"',
                    where=reader.path,
                    hint=f"Keys with it: {', '.join(map(printable, near))}" if near else "",
                )
        return key, reader.value(key)
    except lmdb.Error as error:
        raise InputError(f"the LMDB is corrupt: {error}", where=reader.path) from None
