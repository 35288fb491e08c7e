"""What was given in the place of a prototxt or a caffemodel is called what it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.nets import detector_text, write_detector

from ssd_data.core.errors import InputError
from ssd_data.nets.caffemodel import read_caffemodel, to_blob
from ssd_data.nets.filetypes import file_type
from ssd_data.nets.graph import read_graph
from ssd_data.nets.prototxt import parse_prototxt
from ssd_data.proto import caffe_pb2
from ssd_data.training.snapshots import read_snapshot

STATE = caffe_pb2.SolverState(iter=7, learned_net="x_iter_7.caffemodel")
STATE.history.append(to_blob([1.0, 2.0]))
# ir_version 8, producer "pytorch", a graph of 200 bytes that is cut short.
ONNX = b"\x08\x08\x12\x07pytorch\x1a\x032.1:\xc8\x01\n\x04\n\x01x"
NET = caffe_pb2.NetParameter(name="n")
NET.layer.add(name="a", type="ReLU")
KINDS = {
    "an ONNX net": ONNX,
    "a solver state": STATE.SerializeToString(),
    "an HDF5 file": b"\x89HDF\r\n\x1a\n" + bytes(20),
    "a saved web page": b"\n <!DOCTYPE html>\n<html>",
    "a picture": b"\xff\xd8\xff\xe0" + bytes(20),
    "a gzip file": b"\x1f\x8b\x08" + bytes(20),
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\n",
}


@pytest.mark.parametrize("kind", KINDS)
def test_other_files(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(KINDS[kind])
    for read, wanted in ((read_graph, "a prototxt"), (read_caffemodel, "a caffemodel")):
        with pytest.raises(InputError) as error:
            read(path)
        assert error.value.what == f"this is {kind}, not {wanted}"
        assert error.value.where == str(path)


def test_other_files_than_solver_states(tmp_path: Path) -> None:
    path = tmp_path / "file.solverstate"
    for data, kind in ((NET.SerializeToString(), "a caffemodel"), (ONNX, "an ONNX net")):
        path.write_bytes(data)
        with pytest.raises(InputError, match=f"this is {kind}, not a solver state"):
            read_snapshot(path)
    path.write_bytes(STATE.SerializeToString())
    assert read_snapshot(path).progress.iteration == 7


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (detector_text(), "a net's prototxt"),
        ("layers { name: 'x' }", "a net's prototxt"),
        ("base_lr: 1\nnet_param {\n layer { } }", "a solver's prototxt"),
        ("# ours\nitem {\n name: 'cat' }", "a labelmap"),
    ],
)
def test_texts_in_the_place_of_weights(text: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text(text)
    with pytest.raises(InputError, match=f"this is {kind}, not a caffemodel"):
        read_caffemodel(path)


def test_swapped(tmp_path: Path, run: Any) -> None:
    deploy, weights = write_detector(tmp_path)
    for command in (
        ["detect", weights, deploy, tmp_path],
        ["parity", weights, deploy],
        ["merge-bn", weights, deploy, "-o", tmp_path / "m"],
        ["deploy", weights, deploy, "--profile", "npu", "--mean", "0", "-o", tmp_path / "d"],
    ):
        found = run(*command)
        assert found.status == 1
        assert f"{weights}: this is a caffemodel, not a prototxt" in found.err
        assert "The prototxt comes first, then the caffemodel" in found.err


@pytest.mark.parametrize(
    ("written", "named"),
    [("cls6x", "cls6x"), ("%d", "%"), ("{{ n }}", "{"), ("$N", "$"), ("@N@", "@"), ("<n>", "<")],
)
def test_a_template(written: str, named: str) -> None:
    text = f'layer {{ name: "c" convolution_param {{\n num_output: {written} }} }}'
    with pytest.raises(InputError, match=r"^n:2: ") as error:
        parse_prototxt(text, caffe_pb2.NetParameter, "n")
    assert f"Is this a template? Its script writes a number for {named}" in error.value.hint


@given(st.binary(max_size=300))
def test_any_bytes_are_something_or_nothing(data: bytes) -> None:
    for start in (b"", b"\x08\x01", b"\n\x01n", b"item {"):
        found = file_type(start + data)
        assert found is None or found.what
