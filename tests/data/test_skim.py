"""Skimming says what decoding says, of any record."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies
from support import GOLDEN

from ssd_data.core.errors import InputError
from ssd_data.data.lmdb import skim as skims
from ssd_data.data.lmdb.records import decode_record
from ssd_data.data.lmdb.skim import Skimmed, skim
from ssd_data.data.lmdb.store import open_shared
from ssd_data.proto import caffe_pb2


def decoded(key: bytes, value: bytes) -> Skimmed | str:
    try:
        return skims.skimmed(decode_record(key, value))
    except InputError as error:
        return error.sentence


def skimmed(key: bytes, value: bytes) -> Skimmed | str:
    try:
        return skim(key, memoryview(value))
    except InputError as error:
        return error.sentence


@pytest.mark.parametrize("path", ["training/lmdb", "lmdb/lmdb_plain", "lmdb/lmdb_min_dim"])
def test_the_originals_records(path: str) -> None:
    reader = open_shared(GOLDEN / path)
    seen = [(key, skim(key, value)) for key, value in reader.views()]
    assert seen == [(key, decoded(key, value)) for key, value in reader.items()]
    assert len(seen) == len(reader)


@given(
    strategies.tuples(*[strategies.integers(-2, 1 << 21)] * 3),
    strategies.binary(max_size=40),
    strategies.lists(strategies.tuples(strategies.integers(-5, 300), strategies.integers(0, 3))),
    strategies.booleans(),
)
def test_drawn_records(
    shape: tuple[int, int, int], data: bytes, groups: list[tuple[int, int]], encoded: bool
) -> None:
    message = caffe_pb2.AnnotatedDatum(type=caffe_pb2.AnnotatedDatum.BBOX)
    datum = message.datum
    datum.channels, datum.height, datum.width = shape
    datum.data, datum.label, datum.encoded = data, -1, encoded
    for label, count in groups:
        group = message.annotation_group.add(group_label=label)
        for i in range(count):
            box = group.annotation.add(instance_id=i).bbox
            box.xmax, box.difficult = 0.1 * i, i == 1
    value = message.SerializeToString()
    assert skimmed(b"k", value) == decoded(b"k", value)
    assert skimmed(b"k", value[::-1]) == decoded(b"k", value[::-1])


@given(strategies.binary(max_size=200))
def test_any_bytes(value: bytes) -> None:
    assert type(skimmed(b"k", value)) is type(decoded(b"k", value))


def test_a_plain_datum_is_named() -> None:
    value = caffe_pb2.Datum(channels=3, height=4, width=5, data=b"x" * 60).SerializeToString()
    assert "classification" in str(skimmed(b"k", value))
    assert skimmed(b"k", value) == decoded(b"k", value)
