"""Caffemodels of all ages, written and read, and files that are none."""

from __future__ import annotations

import gzip
import struct
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.nets import write_detector

from ssd_data.core.errors import InputError, OutputError
from ssd_data.engines.torch.net import Net
from ssd_data.nets.caffemodel import (
    Caffemodel,
    LayerWeights,
    read_caffemodel,
    to_array,
    to_blob,
    to_bytes,
    write_caffemodel,
)
from ssd_data.nets.matching import Slot, match
from ssd_data.proto import caffe_pb2

VALUES = np.array([[1.5, -2.25, 0.1], [3, 4, 65504]], np.float32)
CONVOLUTION = """
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 5 dim: 5 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 2 kernel_size: 3 bias_term: false } }
"""


def blob(**fields: object) -> caffe_pb2.BlobProto:
    return caffe_pb2.BlobProto(**fields)  # type: ignore[arg-type]


def shape(*dims: int) -> caffe_pb2.BlobShape:
    return caffe_pb2.BlobShape(dim=dims)


def one_layer(*blobs: caffe_pb2.BlobProto, name: str = "conv") -> caffe_pb2.NetParameter:
    layer = caffe_pb2.LayerParameter(name=name, type="Convolution", blobs=blobs)
    return caffe_pb2.NetParameter(name="n", layer=[layer])


def write(path: Path, net: caffe_pb2.NetParameter) -> Path:
    path.write_bytes(net.SerializeToString())
    return path


# ---- what people have ----


@pytest.mark.parametrize(
    ("fields", "tolerance"),
    [
        ({"data": VALUES.ravel()}, 0),
        ({"double_data": VALUES.ravel().astype(float)}, 0),
        ({"raw_data": VALUES.astype("<f8").tobytes(), "raw_data_type": 0}, 0),
        ({"raw_data": VALUES.astype("<f4").tobytes(), "raw_data_type": 1}, 0),
        ({"raw_data": VALUES.astype("<f2").tobytes(), "raw_data_type": 2}, 1e-3),
    ],
)
def test_all_kinds_of_values(fields: dict[str, object], tolerance: float) -> None:
    for form in ({"shape": shape(2, 3)}, {"num": 1, "channels": 1, "height": 2, "width": 3}):
        array = to_array(blob(**fields, **form))
        assert array.dtype == np.float32
        assert array.shape == ((2, 3) if "shape" in form else (1, 1, 2, 3))
        np.testing.assert_allclose(array.reshape(2, 3), VALUES, rtol=tolerance)
    assert to_array(blob(**fields)).shape == (6,)  # nothing says what the shape is


@pytest.mark.parametrize("kind", ["half", "single", "old", "v1"])
def test_opencv_reads_the_same_from_the_same_file(kind: str, tmp_path: Path) -> None:
    weights = np.random.default_rng(0).normal(size=(2, 3, 3, 3)).astype(np.float32)
    form: dict[str, object] = {"shape": shape(2, 3, 3, 3)}
    values: dict[str, object] = {"data": weights.ravel()}
    if kind == "half":
        values = {"raw_data": weights.astype("<f2").tobytes(), "raw_data_type": 2}
    elif kind in ("old", "v1"):
        form = {"num": 2, "channels": 3, "height": 3, "width": 3}
    net = one_layer(blob(**values, **form))
    if kind == "v1":
        net.layers.add(name="conv", type=4, blobs=net.layer[0].blobs)
        net.ClearField("layer")
    path = write(tmp_path / "net.caffemodel", net)
    (tmp_path / "net.prototxt").write_text(CONVOLUTION)
    judge = cv2.dnn.readNetFromCaffe(str(tmp_path / "net.prototxt"), str(path))
    picture = np.random.default_rng(1).normal(size=(1, 3, 5, 5)).astype(np.float32)
    judge.setInput(picture)
    ours = Net(tmp_path / "net.prototxt", "TEST", weights=path).forward(data=picture)["conv"]
    np.testing.assert_allclose(ours, judge.forward(), rtol=1e-4, atol=1e-5)
    (layer,) = read_caffemodel(path).layers
    assert (layer.name, layer.type) == ("conv", "Convolution")
    np.testing.assert_allclose(layer.arrays[0], weights, rtol=1e-3, atol=1e-3)


def test_values_of_a_file_are_packed_or_not(tmp_path: Path) -> None:
    data = b"".join(b"\x2d" + struct.pack("<f", v) for v in (1.0, 2.0))  # a tag a value
    unpacked = b"\x3a\x03\x0a\x01\x02" + data
    layer = b"\x0a\x01c\x12\x04Bias\x3a" + bytes([len(unpacked)]) + unpacked
    path = tmp_path / "net.caffemodel"
    path.write_bytes(b"\xa2\x06" + bytes([len(layer)]) + layer)
    np.testing.assert_array_equal(read_caffemodel(path)["c"][0], [1, 2])


def test_layers_without_arrays_and_names_that_occur_twice(tmp_path: Path) -> None:
    net = one_layer(to_blob([1.0]), name="same")
    net.layer.add(name="relu", type="ReLU")
    net.layer.add(name="same", type="Bias", blobs=[to_blob([2.0])])
    model = read_caffemodel(write(tmp_path / "n.caffemodel", net))
    assert [(x.name, x.arrays[0].tolist()) for x in model.layers] == [("same", [1]), ("same", [2])]
    assert model["same"][0].tolist() == [1]
    assert [layer.name for layer in model.net.layer] == ["same", "relu", "same"]
    with pytest.raises(KeyError):
        model["relu"]
    old = caffe_pb2.NetParameter(input=["data"], layers=[{"name": "a", "type": 1}])
    old.layers[0].blobs.append(to_blob([3.0]))
    assert read_caffemodel(write(tmp_path / "old.caffemodel", old))["a"][0].tolist() == [3]


# ---- what is wrong ----


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (blob(data=[1, 2, 3], shape=shape(2, 2)), "shape 2x2 holds 3 values"),
        (blob(data=[1, 2, 3], num=1, channels=1, height=1, width=2), "1x1x1x2 holds 3 values"),
        (blob(data=[1, 2], num=2), "2x0x0x0 holds 2 values"),
        (blob(data=[1, 2], shape=shape(-1, -2)), "-1x-2 holds 2 values"),
        (blob(data=[1], shape=shape(2**40, 2**40)), f"{2**40}x{2**40} holds 1 values"),
        (blob(data=[], shape=shape(*[2**62] * 5)), "holds 0 values"),
        (blob(shape=shape(3)), "3 holds 0 values"),
        (blob(raw_data=b"123", raw_data_type=2, shape=shape(1)), "cut short"),
        (blob(raw_data=b"1234", raw_data_type=3, shape=shape(1)), "type INT is not known"),
    ],
)
def test_arrays_that_do_not_fit(wrong: caffe_pb2.BlobProto, sentence: str, tmp_path: Path) -> None:
    path = write(tmp_path / "n.caffemodel", one_layer(wrong))
    with pytest.raises(InputError, match=sentence) as error:
        read_caffemodel(path)
    assert error.value.where == f"{path}: conv"


def hdf5() -> bytes:
    return b"\x89HDF\r\n\x1a\n" + bytes(600)


def zipped(path: Path) -> bytes:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", b"x")
    return path.read_bytes()


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"


@pytest.mark.parametrize(
    ("data", "sentence", "hint"),
    [
        (b"", "this is an empty file", "fetch it again"),
        (b"\n\n <!DOCTYPE html>\n<html>", "this is a saved web page", "Raw button"),
        (b"<HTML><body>", "this is a saved web page", "Raw button"),
        (hdf5(), "this is an HDF5 file", ".caffemodel"),
        (gzip.compress(b"x" * 90), "this is a gzip file", "Unpack"),
        (LFS, "this is a Git LFS pointer", "git lfs pull"),
        (b"layer { name: 'x' }", "this is a net's prototxt", "prototxt comes first"),
        (bytes(200), "this is no caffemodel", "Compare its size"),
        (b"\x0a\x04name", "holds no layer", ""),
        (b"\xa2\x06\xff\xff\xff\xff\x0f", "this is no caffemodel", "Compare its size"),
    ],
    ids=["empty", "page", "page2", "hdf5", "gzip", "lfs", "text", "zeros", "nothing", "length"],
)
def test_files_that_are_none(data: bytes, sentence: str, hint: str, tmp_path: Path) -> None:
    path = tmp_path / "n.caffemodel"
    path.write_bytes(data)
    with pytest.raises(InputError, match=sentence) as error:
        read_caffemodel(path)
    assert error.value.where == str(path)
    assert hint in error.value.hint


def test_a_zip_and_no_file_at_all(tmp_path: Path) -> None:
    (tmp_path / "n.caffemodel").write_bytes(zipped(tmp_path / "x.zip"))
    with pytest.raises(InputError, match=r"this is a zip file \(PyTorch's"):
        read_caffemodel(tmp_path / "n.caffemodel")
    with pytest.raises(InputError, match="is missing"):
        read_caffemodel(tmp_path / "none.caffemodel")
    with pytest.raises(InputError, match="no regular file"):
        read_caffemodel(tmp_path)


def test_the_saved_web_page(shared: Path) -> None:
    with pytest.raises(InputError, match="this is a saved web page"):
        read_caffemodel(shared / "models" / "not_a_model" / "saved_web_page.caffemodel")


def test_nested_too_deep(tmp_path: Path) -> None:
    nested = b""
    for _ in range(300):  # groups in groups, of a field that nobody knows
        nested = b"\xfb\x7f" + nested + b"\xfc\x7f"
    (tmp_path / "n.caffemodel").write_bytes(nested)
    with pytest.raises(InputError, match="this is no caffemodel"):
        read_caffemodel(tmp_path / "n.caffemodel")


def test_cut_short_anywhere(tmp_path: Path) -> None:
    """Refused, or a whole number of layers is left, whose absence loading then names."""
    _, weights = write_detector(tmp_path)
    data = weights.read_bytes()
    whole = read_caffemodel(weights)
    path = tmp_path / "cut.caffemodel"
    said = set()
    for length in [*range(1, 40), *range(41, len(data), 97), len(data) - 1]:
        path.write_bytes(data[:length])
        try:
            left = read_caffemodel(path).layers
        except InputError as error:
            said.add(error.what)
        else:
            assert len(left) < len(whole.layers)
            for a, b in zip(left, whole.layers, strict=False):
                np.testing.assert_array_equal(a.arrays[0], b.arrays[0])
    assert said == {
        "this is no caffemodel, or one that was cut short",
        "this caffemodel holds no layer",
    }


@settings(max_examples=80)
@given(st.binary(max_size=80))
def test_any_bytes_are_a_model_or_one_error(data: bytes) -> None:
    with NamedTemporaryFile(suffix=".caffemodel") as file:
        file.write(data)
        file.flush()
        with suppress(InputError):
            read_caffemodel(file.name)


# ---- writing ----


@settings(max_examples=60)
@given(hnp.arrays(np.float32, hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4)))
def test_arrays_survive(array: np.ndarray) -> None:
    made = to_blob(array)
    again = to_array(caffe_pb2.BlobProto.FromString(made.SerializeToString()))
    assert again.shape == array.shape
    np.testing.assert_array_equal(again, array)


def test_writing_is_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net = one_layer()
    path = tmp_path / "new" / "n.caffemodel"
    write_caffemodel(path, net, [LayerWeights("conv", "Convolution", [VALUES])])
    before = path.read_bytes()
    np.testing.assert_array_equal(read_caffemodel(path)["conv"][0], VALUES)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        write_caffemodel(path, net, [LayerWeights("conv", "Convolution", [VALUES * 2])])
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_arrays_without_a_layer_are_not_dropped() -> None:
    with pytest.raises(InputError, match='no layer "other"'):
        to_bytes(one_layer(), [LayerWeights("other", "Scale", [VALUES])])
    twice = [LayerWeights("conv", "Convolution", [VALUES * i]) for i in (1, 2)]
    with pytest.raises(InputError, match='no layer "conv"'):
        to_bytes(one_layer(), twice)


# ---- which array goes where ----


def model(*layers: tuple[str, Sequence[tuple[int, ...]]]) -> Caffemodel:
    made = [LayerWeights(n, "T", [np.full(s, i, np.float32) for i, s in enumerate(shapes)])
            for n, shapes in layers]  # fmt: skip
    return Caffemodel(made, origin="m.caffemodel")


def slot(name: str, *shapes: tuple[int, ...]) -> Slot:
    return Slot(name, f'n.prototxt:3 (layer "{name}")', shapes)


def test_by_name_and_shape_with_a_table() -> None:
    found = match(
        model(("a", [(2, 3)]), ("gone", [(1,)]), ("old", [(1, 1, 2, 3), (1, 1, 1, 2)])),
        [slot("a", (2, 3)), slot("old", (2, 3), (2,)), slot("new", (5,))],
    )
    assert found.rows() == [
        ("a", "kept"),
        ("old", "kept"),
        ("new", "started anew: not in the file"),
        ("gone", "left out: not in the net"),
    ]
    assert [array.shape for array in found.found[1]] == [(2, 3), (2,)]


def test_weights_with_batchnorm_for_a_merged_net() -> None:
    given_model = model(("a", [(2, 3)]), ("a/bn", [(2,), (2,), (1,)]))
    given_model.layers[1].type = "BatchNorm"
    with pytest.raises(InputError, match="1 arrays in the file, 2 in the net") as error:
        match(given_model, [slot("a", (2, 3), (2,))])
    assert "merge-bn" in error.value.hint
    assert "--skip-mismatch" not in error.value.hint
    with pytest.raises(InputError) as error:  # the net has it as well
        match(given_model, [slot("a", (2, 3), (2,)), slot("a/bn", (2,), (2,), (1,))])
    assert "--skip-mismatch" in error.value.hint


def test_a_wrong_shape_names_both_unless_skipped() -> None:
    given_model = model(("a", [(2, 3)]), ("b", [(2,)]))
    slots = [slot("a", (3, 2)), slot("b", (2,))]
    with pytest.raises(InputError, match="2x3 in the file, 3x2 in the net") as error:
        match(given_model, slots)
    assert error.value.where == "m.caffemodel"
    assert "--skip-mismatch" in error.value.hint
    assert "n.prototxt:3" in error.value.hint
    found = match(given_model, slots, skip_mismatch=True)
    assert found.rows()[1] == (
        "a: 2x3 in the file, 3x2 in the net",
        "started anew: other shape",
    )
    assert found.kept == ["b"]
    with pytest.raises(InputError, match="1 arrays in the file, 2 in the net"):
        match(model(("a", [(2,)])), [slot("a", (2,), (2,))])


def test_names_that_occur_twice_go_in_order() -> None:
    found = match(model(("s", [(1,)]), ("s", [(2,)])), [slot("s", (1,)), slot("s", (2,))])
    assert {i: a[0].shape for i, a in found.found.items()} == {0: (1,), 1: (2,)}
    more = match(model(("s", [(1,)])), [slot("s", (1,)), slot("s", (1,))])
    assert (more.kept, more.new) == (["s"], ["s"])


def test_nothing_in_common_is_an_error() -> None:
    with pytest.raises(InputError, match="no layer's name is one of the net's") as error:
        match(model(("a", [(1,)])), [slot("b", (1,))])
    assert error.value.hint == 'The file has "a", the net "b"'


def test_a_net_takes_them_or_says_why_not(tmp_path: Path) -> None:
    deploy, weights = write_detector(tmp_path)
    text = deploy.read_text().replace("num_output: 6", "num_output: 12")
    (tmp_path / "more.prototxt").write_text(text.split('layer { name: "conf"')[0])
    net = Net(tmp_path / "more.prototxt", "TEST")
    with pytest.raises(InputError, match=r'"conf1" have another shape: 6x8x1x1 .* 12x8x1x1'):
        net.copy_from(weights)
    report = net.copy_from(weights, skip_mismatch=True)
    assert [line.split(":")[0] for line in report.mismatched] == ["conf1", "conf2"]
    assert "conv2" in report.kept


# ---- what no Caffe writes ----


def written(tmp_path: Path, net: caffe_pb2.NetParameter | bytes) -> Path:
    path = tmp_path / "odd.caffemodel"
    path.write_bytes(net if isinstance(net, bytes) else net.SerializeToString())
    return path


@pytest.mark.parametrize(
    ("dims", "data", "words"),
    [
        ([1] * 65, [1.0], "an array has 65 axes; Caffe has 32 at most"),
        ([0, 2**63 - 1], [], "an array of shape 0x9223372036854775807 holds 0 values"),
        ([0, 1 << 20, 1 << 20], [], "holds 0 values"),
        ([-1, -1], [1.0], "an array of shape -1x-1 holds 1 values"),
    ],
)
def test_shapes_that_no_array_has(
    dims: list[int], data: list[float], words: str, tmp_path: Path
) -> None:
    blob = caffe_pb2.BlobProto(shape=caffe_pb2.BlobShape(dim=dims), data=data)
    layer = caffe_pb2.LayerParameter(name="c" * 5000, type="Convolution", blobs=[blob])
    with pytest.raises(InputError, match=words) as caught:
        read_caffemodel(written(tmp_path, caffe_pb2.NetParameter(layer=[layer])))
    assert len(str(caught.value)) < 400


def test_thirty_two_axes_and_none_are_read(tmp_path: Path) -> None:
    shapes = [[1] * 32, [], [0, 5], [3, 0]]
    blobs = [
        caffe_pb2.BlobProto(shape=caffe_pb2.BlobShape(dim=s), data=[1.0] * int(np.prod(s)))
        for s in shapes
    ]
    layer = caffe_pb2.LayerParameter(name="c", type="Scale", blobs=blobs)
    model = read_caffemodel(written(tmp_path, caffe_pb2.NetParameter(layer=[layer])))
    assert [list(array.shape) for array in model["c"]] == shapes


def test_doubles_that_singles_do_not_hold_are_infinite(tmp_path: Path) -> None:
    blob = caffe_pb2.BlobProto(shape=caffe_pb2.BlobShape(dim=[2]), double_data=[1e300, -1e300])
    layer = caffe_pb2.LayerParameter(name="c", type="Scale", blobs=[blob])
    model = read_caffemodel(written(tmp_path, caffe_pb2.NetParameter(layer=[layer])))
    np.testing.assert_array_equal(model["c"][0], [np.inf, -np.inf])


@pytest.mark.parametrize("field", ["name", "bottom", "top"])
def test_old_layers_whose_names_are_no_text(field: str, tmp_path: Path) -> None:
    number = caffe_pb2.V1LayerParameter.DESCRIPTOR.fields_by_name[field].number
    layer = bytes([number << 3 | 2, 2]) + b"\xff0" + b"\x28\x04"
    data = b"\x0a\x01o\x12" + bytes([len(layer)]) + layer
    with pytest.raises(InputError, match="is not UTF-8 text"):
        read_caffemodel(written(tmp_path, data))


def test_weights_without_arrays_say_so(tmp_path: Path) -> None:
    net = caffe_pb2.NetParameter(layer=[caffe_pb2.LayerParameter(name="c", type="Convolution")])
    model = read_caffemodel(written(tmp_path, net))
    with pytest.raises(InputError, match="none of its layers holds an array"):
        match(model, [Slot("c", "net:1", ((2, 2),))])
