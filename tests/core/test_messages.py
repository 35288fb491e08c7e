"""Binary messages are looked through before protobuf parses them."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ssd_data.core.errors import InputError
from ssd_data.core.files import messages
from ssd_data.core.files.messages import parse_message
from ssd_data.proto import caffe_pb2

NET = caffe_pb2.NetParameter(
    name="small",
    layer=[
        caffe_pb2.LayerParameter(
            name="conv",
            type="Convolution",
            bottom=["data"],
            top=["conv"],
            blobs=[caffe_pb2.BlobProto(shape=caffe_pb2.BlobShape(dim=[2]), data=[1, 2])],
        ),
        caffe_pb2.LayerParameter(name="ärger", type="ReLU"),
    ],
)
DATA = NET.SerializeToString()


def parsed(data: bytes) -> caffe_pb2.NetParameter:
    return parse_message(data, caffe_pb2.NetParameter, "caffemodel", "x.caffemodel", "Fetch it")


def refused(data: bytes) -> InputError:
    with pytest.raises(InputError) as caught:
        parsed(data)
    assert caught.value.where == "x.caffemodel"
    return caught.value


def test_what_is_one_is_read() -> None:
    assert parsed(DATA) == NET
    assert parsed(b"") == caffe_pb2.NetParameter()
    unknown = b"\xfa\x3e\x03abc" + b"\xf8\x3e\x05"  # fields that no message of Caffe's has
    assert parsed(DATA + unknown).layer == NET.layer


@pytest.mark.parametrize("name", ["name", "type", "bottom", "top"])
def test_strings_are_text(name: str) -> None:
    """At whatever depth, in one or in many."""
    field = caffe_pb2.LayerParameter.DESCRIPTOR.fields_by_name[name]
    inner = bytes([field.number << 3 | 2, 3]) + b"a\xffb"
    error = refused(b"\xa2\x06" + bytes([len(inner)]) + inner)
    assert error.what == "a name in this caffemodel is not UTF-8 text: 'a\\xffb'"


def test_a_name_is_shown_on_one_line() -> None:
    error = refused(b"\x0a\xc8\x01" + b"\xff" * 200)
    assert len(error.what) < 220
    assert error.what.isascii()


@pytest.mark.parametrize("end", range(1, len(DATA)))
def test_what_is_cut_short(end: int) -> None:
    try:
        net = parsed(DATA[:end])
    except InputError:
        error = refused(DATA[:end])
        assert "cut short" in error.what or "is not UTF-8 text: '\\xc3'" in error.what
    else:  # it ends between two fields
        assert DATA[:end] == net.SerializeToString()


@given(st.binary(max_size=40))
@example(b"\x03\x04")  # a group
@example(b"\x00\x00")
@example(b"\xff" * 12)
@example(b"\xa2\x06\x7f")
def test_whatever_it_is_it_serves_or_is_refused(data: bytes) -> None:
    try:
        parsed(data)
    except InputError:
        refused(data)


@given(st.integers(0, len(DATA) - 1), st.integers(0, 255), st.integers(0, 3))
def test_changed_bytes(at: int, value: int, cut: int) -> None:
    try:
        net = parsed(DATA[:at] + bytes([value]) + DATA[at + cut :])
    except InputError:
        return
    for layer in net.layer:
        assert isinstance(layer.name + layer.type + "".join([*layer.bottom, *layer.top]), str)


def test_more_parts_than_any_file_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two bytes each protobuf makes hundreds in memory."""
    monkeypatch.setattr(messages, "MOST_PARTS", 1000)
    assert len(parsed(b"\xa2\x06\x00" * 900).layer) == 900
    assert refused(b"\xa2\x06\x00" * 1100).what == "this caffemodel has more parts than any has"
    monkeypatch.setattr(messages, "MOST_FIELDS", 1000)
    assert refused(b"\x28\x00" * 1100).what == "this caffemodel has more parts than any has"
