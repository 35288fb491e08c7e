"""A record's boxes and its picture's shape, without touching the picture.

Whole data sets are looked through before a training starts: so the wire format's fields are walked
here, and a picture's bytes, which lie in pages of their own, are stepped over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from ssd_data.data.lmdb.records import MAX_DIMENSION, Record, decode_record
from ssd_data.proto import caffe_pb2

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True, slots=True)
class Skimmed:
    """What a record says of itself.

    Attributes:
        channels, height, width: as its header states them; encoded: as :class:`Record` has it.
        labels: of its boxes.
        corners: of its boxes, as Record's ``boxes``; difficult: whether they are.
    """

    channels: int
    height: int
    width: int
    encoded: bool
    labels: list[int]
    corners: list[tuple[float, float, float, float]]
    difficult: list[bool]


def skim(key: bytes, value: memoryview) -> Skimmed:
    """A record's header and boxes.

    Args:
        value: a view of the record's bytes.

    Raises:
        InputError: it is no AnnotatedDatum, as
            :func:`ssd_data.data.lmdb.records.decode_record` says.
    """
    try:
        labels: list[int] = []
        boxes: list[caffe_pb2.NormalizedBBox] = []
        header: dict[int, int] = {}
        for number, kind, start, end in _fields(value, 0, len(value)):
            if (number, kind) == (1, BYTES):
                header |= {n: a for n, k, a, _ in _fields(value, start, end) if k == VARINT}
            elif (number, kind) == (3, BYTES):
                group = caffe_pb2.AnnotationGroup.FromString(bytes(value[start:end]))
                labels += [group.group_label] * len(group.annotation)
                boxes += [annotation.bbox for annotation in group.annotation]
        shape = header[1], header[2], header[3]
        if not all(0 < n <= MAX_DIMENSION for n in shape):
            raise ValueError
    except (DecodeError, KeyError, ValueError, IndexError):
        record = decode_record(key, bytes(value))  # odd, or wrong: it says what
        return skimmed(record)
    corners = [(b.xmin, b.ymin, b.xmax, b.ymax) for b in boxes]
    return Skimmed(*shape, bool(header.get(7, 0)), labels, corners, [b.difficult for b in boxes])


def skimmed(record: Record) -> Skimmed:
    """What a whole record says of itself."""
    return Skimmed(
        record.channels,
        record.height,
        record.width,
        record.encoded,
        record.labels.tolist(),
        [(box[0], box[1], box[2], box[3]) for box in record.boxes.tolist()],
        record.difficult.tolist(),
    )


def _fields(view: memoryview, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Each field's number, wire type, and start and end; a varint's value stands for its start.

    Raises:
        ValueError, IndexError: these are no fields.
    """
    while at < end:
        tag, at = _varint(view, at)
        number, kind = tag >> 3, tag & 7
        if kind == VARINT:
            found, at = _varint(view, at)
            yield number, kind, found, at
            continue
        if kind == BYTES:
            size, at = _varint(view, at)
        elif kind in (FIXED32, FIXED64):
            size = 4 if kind == FIXED32 else 8
        else:
            raise ValueError("a group, or no field at all")
        if at + size > end:
            raise ValueError("cut short")
        yield number, kind, at, at + size
        at += size


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = view[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("too long a number")
