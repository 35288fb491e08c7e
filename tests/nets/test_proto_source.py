"""A fork's ``caffe.proto`` as text gives the messages that protoc makes of it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import ROOT

from ssd_data.proto import caffe_pb2
from ssd_data.proto.source import messages_of

TEXT = (ROOT / "ssd_data" / "proto" / "caffe.proto").read_text()


def described(message: Any) -> list[tuple[Any, ...]]:
    """All that a message's fields are, and those of what lies in it."""
    rows = []
    for field in message.fields:
        kinds = (field.message_type, field.enum_type)
        names = [kind.name for kind in kinds if kind is not None]
        default = None if field.message_type is not None else field.default_value
        listed = list(default) if hasattr(default, "extend") else default
        rows.append((field.name, field.number, field.type, names, listed))
    values = [(e.name, [(v.name, v.number) for v in e.values]) for e in message.enum_types]
    return [message.name, rows, values, [described(one) for one in message.nested_types]]


def test_our_own_is_what_protoc_makes_of_it() -> None:
    made = messages_of(TEXT)
    names = [n for n in vars(caffe_pb2) if hasattr(getattr(caffe_pb2, n), "DESCRIPTOR")]
    names.remove("_files")
    assert len(names) > 60
    for name in names:
        if hasattr(getattr(caffe_pb2, name).DESCRIPTOR, "fields"):
            assert described(getattr(made, name).DESCRIPTOR) == described(
                getattr(caffe_pb2, name).DESCRIPTOR
            )
    assert made.Phase.Value("TEST") == made.TEST == 1
    blob = caffe_pb2.BlobProto(data=[1.0, 2.0])  # packed
    assert made.BlobProto(data=[1.0, 2.0]).SerializeToString() == blob.SerializeToString()


def test_what_a_fork_adds() -> None:
    fork = TEXT.replace(
        "message DetectionOutputParameter {",
        "message DetectionOutputParameter {\n  /* theirs */ optional float objectness_score = 99 "
        "[default = 0.01, deprecated = true];",
    )
    made = messages_of(fork)
    assert made.DetectionOutputParameter().objectness_score == pytest.approx(0.01)
    with pytest.raises(ValueError, match="objectness_score"):
        caffe_pb2.DetectionOutputParameter(objectness_score=1)


def test_a_name_is_the_nearest_of_that_name() -> None:
    made = messages_of("""
      package caffe;
      enum Kind { X = 0; }
      message A {
        enum Kind { Y = 0; Z = 7; }
        message B { optional Kind kind = 1; optional .caffe.Kind other = 2; optional A up = 3; }
        optional B b = 1;
        repeated caffe.C c = 2;
      }
      message C { optional Kind kind = 1; optional A.Kind theirs = 2 [default = Z]; }
    """)
    fields = made.A.DESCRIPTOR.nested_types_by_name["B"].fields_by_name
    assert fields["kind"].enum_type.full_name == "caffe.A.Kind"
    assert fields["other"].enum_type.full_name == "caffe.Kind"
    assert fields["up"].message_type.full_name == "caffe.A"
    assert made.C().theirs == 7
    assert made.A(c=[made.C()], b={"kind": 7}).b.kind == 7


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('syntax = "proto3";', "line 1: .*proto2"),
        ("message A {\n  optional float = 1;\n}", "line 2"),
        ("message A {\n optional float b = x; }", "line 2: x is no number"),
        ("message A { optional B b = 1; }", "A.b is of B, and nothing is called so"),
        ("message A { optional float b = 1; ", "not the end"),
        ("message A { optional float a = 1; optional float a = 2; }", "do not fit"),
        ("message A { §", "line 1: '§' is not understood"),
        ("service X { }", "line 1"),
        ("message A {" * 40, "expected"),
    ],
)
def test_what_is_none_is_refused_with_its_line(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        messages_of(text)


@given(
    st.text(
        alphabet='message enum optional repeated float int32 A = 1 ; { } [ ] , " //\n', max_size=80
    )
)
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(ValueError):
        messages_of(text)
