"""From picture and boxes to an AnnotatedDatum's bytes, and back.

What the original's records hold: ``datum`` with channels, height, width, data, ``label: -1`` and
``encoded``; ``type: BBOX``; one ``annotation_group`` a label, in order of first appearance, in
which ``instance_id`` counts from 0; boxes as float32 fractions with ``difficult`` always written.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from google.protobuf.message import DecodeError

from ssd_data.core.errors import InputError
from ssd_data.core.images import decode, in_gray
from ssd_data.core.legible import visible
from ssd_data.core.structures import Boxes, Flags, Labels, Pixels
from ssd_data.proto import caffe_pb2

MAX_DIMENSION = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One record of an AnnotatedDatum LMDB.

    >>> from ssd_data import LmdbReader
    >>> record = LmdbReader("test_lmdb")[0]
    >>> record.image, record.labels.tolist()
    ('JPEGImages/test000001.jpg', [1, 1, 2])
    >>> record.decode().shape
    (87, 105, 3)

    Attributes:
        key: the record's key, ``%08d_<image path>``.
        channels, height, width: of the stored picture, as the header states them.
        encoded: True where ``data`` is a JPEG or PNG file, False where it is raw values in
            channel, row, column order (BGR).
        data: the stored bytes.
        labels: int32 (N,); boxes: float32 (N, 4), fractions, xmin ymin xmax ymax;
        difficult: bool (N,); instance_ids: int32 (N,), counted within each label.
    """

    key: str
    channels: int
    height: int
    width: int
    encoded: bool
    data: bytes
    labels: Labels
    boxes: Boxes
    difficult: Flags
    instance_ids: Labels

    @property
    def image(self) -> str:
        """The picture's path, which is the key without its number."""
        return image_of(self.key)

    def decode(self, gray: bool = False) -> Pixels:
        """The picture as uint8 (height, width, channels), BGR or one gray channel.

        Args:
            gray: (height, width), whatever is stored: a file is decoded gray, as Caffe does by
                ``force_gray``.

        Raises:
            InputError: the bytes do not decode, or do not fill the size that the header states.
        """
        if self.encoded:
            return decode(self.data, self.key, gray=gray or self.channels == 1)
        shape = (self.channels, self.height, self.width)
        if len(self.data) != np.prod(shape, dtype=np.int64) or min(shape) <= 0:
            raise InputError(f"{len(self.data)} raw bytes do not make {shape}", where=self.key)
        planes = np.frombuffer(self.data, np.uint8).reshape(shape)
        pixels = np.ascontiguousarray(planes.transpose(1, 2, 0))
        return np.asarray(in_gray(pixels), np.uint8) if gray else pixels


def key_of(number: int, image: str) -> bytes:
    """The record's key: the list line's number in eight digits and the picture's path.

    >>> key_of(7, "JPEGImages/000012.jpg")
    b'00000007_JPEGImages/000012.jpg'
    """
    return f"{number:08d}_{image}".encode("utf-8", "surrogateescape")


def image_of(key: str) -> str:
    """A picture's path from its record's key; the key where it has no number.

    >>> image_of("00000007_JPEGImages/000012.jpg")
    'JPEGImages/000012.jpg'
    """
    number, _, path = key.partition("_")
    return path if number.isdigit() and path else key


def key_text(key: bytes) -> str:
    """A record's key as text that can be printed."""
    return visible(key.decode("utf-8", "backslashreplace"))


def encode_record(
    data: bytes,
    shape: tuple[int, int, int],
    labels: Labels,
    boxes: Boxes,
    difficult: Flags,
    encoded: bool = True,
) -> bytes:
    """An AnnotatedDatum's bytes.

    Args:
        data: a JPEG or PNG file, or (``encoded=False``) values in channel, row, column order.
        shape: channels, height, width of the stored picture.
        labels: int32 (N,), above 0.
        boxes: float32 (N, 4), fractions, xmin ymin xmax ymax.
        difficult: bool (N,).
    """
    channels, height, width = shape
    header = b"\x08%b\x10%b\x18%b\x22%b" % tuple(map(_varint, (channels, height, width, len(data))))
    rest = _LABEL + b"\x38" + _varint(encoded)
    size = _varint(len(header) + len(data) + len(rest))
    groups: dict[int, list[bytes]] = {}
    rows = zip(labels.tolist(), boxes.tolist(), difficult.tolist(), strict=True)
    for label, (xmin, ymin, xmax, ymax), hard in rows:
        group = groups.setdefault(label, [])
        box = _BOX.pack(0x0D, xmin, 0x15, ymin, 0x1D, xmax, 0x25, ymax, 0x30, hard)
        group.append(_before_box(len(group)) + box)
    parts = [b"\x0a", size, header, data, rest, b"\x10\x00"]  # the last: type BBOX
    for label, members in groups.items():
        parts.append(_field(b"\x1a", b"\x08" + _varint(label) + b"".join(members)))
    return b"".join(parts)


# The wire format of these few fields, written here: protobuf's own way through Python objects
# copies the picture twice more and takes twice as long. A test holds the two equal.
_LABEL = b"\x28" + b"\xff" * 9 + b"\x01"  # label: -1
_BOX = struct.Struct("<BfBfBfBfB?")


@lru_cache(1024)
def _before_box(instance: int) -> bytes:
    """An annotation up to its box."""
    start = b"\x08" + _varint(instance) + b"\x12" + _varint(_BOX.size)
    return b"\x12" + _varint(len(start) + _BOX.size) + start


def _field(tag: bytes, content: bytes) -> bytes:
    return tag + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    if 0 <= number < 128:
        return _SMALL[number]
    number %= 1 << 64  # a negative one takes ten bytes
    return bytes([number & 127 | 128]) + _varint(number >> 7)


_SMALL = [bytes([number]) for number in range(128)]


def decode_record(key: bytes, value: bytes) -> Record:
    """A typed record from an LMDB's key and value, ours or the original's.

    Raises:
        InputError: the value is no AnnotatedDatum (a plain Datum of a classification database is
            named as such) or its header is absurd.
    """
    name = key.decode("utf-8", "backslashreplace")
    message = caffe_pb2.AnnotatedDatum()
    try:
        message.ParseFromString(value)
    except DecodeError:
        raise _not_annotated(value, name) from None
    if not message.HasField("datum"):
        raise _not_annotated(value, name)
    datum = message.datum
    shape = (datum.channels, datum.height, datum.width)
    if not all(0 < n <= MAX_DIMENSION for n in shape):
        raise InputError(f"the header says channels, height, width {shape}", where=name)
    rows = [
        (group.group_label, annotation.instance_id, annotation.bbox)
        for group in message.annotation_group
        for annotation in group.annotation
    ]
    corners = [(b.xmin, b.ymin, b.xmax, b.ymax) for _, _, b in rows]
    return Record(
        name,
        *shape,
        encoded=datum.encoded,
        data=datum.data,
        labels=np.array([label for label, _, _ in rows], np.int32),
        boxes=np.array(corners, np.float32).reshape(-1, 4),
        difficult=np.array([b.difficult for _, _, b in rows], np.bool_),
        instance_ids=np.array([instance for _, instance, _ in rows], np.int32),
    )


def _not_annotated(value: bytes, name: str) -> InputError:
    plain = caffe_pb2.Datum()
    try:
        plain.ParseFromString(value)
        is_plain = plain.HasField("channels") and plain.HasField("height")
    except DecodeError:
        is_plain = False
    if is_plain:
        return InputError(
            "a plain Datum without boxes: this is a classification database",
            where=name,
            hint="A detector needs boxes: build it of pictures with annotations, ssd-data build",
        )
    return InputError("not an AnnotatedDatum", where=name, hint="Is this a detection database?")
