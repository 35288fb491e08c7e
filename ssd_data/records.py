"""From picture and boxes to an AnnotatedDatum's bytes, and back.

What the original's records hold: ``datum`` with channels, height, width, data, ``label: -1`` and
``encoded``; ``type: BBOX``; one ``annotation_group`` a label, in order of first appearance, in
which ``instance_id`` counts from 0; boxes as float32 fractions with ``difficult`` always written.
"""

from __future__ import annotations

import numpy as np
from google.protobuf.message import DecodeError

from ssd_data.errors import InputError
from ssd_data.proto import caffe_pb2
from ssd_data.structures import Boxes, Flags, Labels, Record

MAX_DIMENSION = 1 << 20


def key_of(number: int, image: str) -> bytes:
    """The record's key: the list line's number in eight digits and the picture's path."""
    return f"{number:08d}_{image}".encode("utf-8", "surrogateescape")


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
    message = caffe_pb2.AnnotatedDatum()
    datum = message.datum
    datum.channels, datum.height, datum.width = shape
    datum.data = data
    datum.label = -1
    datum.encoded = encoded
    message.type = caffe_pb2.AnnotatedDatum.BBOX
    groups = {}
    rows = zip(labels.tolist(), boxes.tolist(), difficult.tolist(), strict=True)
    for label, (xmin, ymin, xmax, ymax), hard in rows:
        if label not in groups:
            groups[label] = message.annotation_group.add(group_label=label)
        annotation = groups[label].annotation.add(instance_id=len(groups[label].annotation))
        box = annotation.bbox
        box.xmin, box.ymin, box.xmax, box.ymax, box.difficult = xmin, ymin, xmax, ymax, hard
    return message.SerializeToString()


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
            "a plain Datum without boxes: this is a classification database", where=name
        )
    return InputError("not an AnnotatedDatum", where=name, hint="Is this a detection database?")
