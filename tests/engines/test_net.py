"""``import ssd_data as caffe``: pycaffe's face of a net."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import ssd_data as caffe
from ssd_data.core.errors import InputError, UsageError
from ssd_data.proto import caffe_pb2

SMALL = """
name: "small"
force_backward: true
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 2 dim: 3 dim: 8 dim: 8 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "left" type: "Power" bottom: "conv" top: "left" power_param { scale: 2 } }
layer { name: "right" type: "Power" bottom: "conv" top: "right" power_param { scale: 3 } }
layer { name: "sum" type: "Eltwise" bottom: "left" bottom: "right" top: "sum" }
"""


@pytest.fixture
def prototxt(tmp_path: Path) -> Path:
    path = tmp_path / "deploy.prototxt"
    path.write_text(SMALL)
    return path


@pytest.fixture
def net(prototxt: Path) -> caffe.Net:
    torch.manual_seed(1)
    net = caffe.Net(prototxt, caffe.TEST)
    net.blobs["data"].data[...] = np.random.default_rng(0).normal(size=(2, 3, 8, 8))
    return net


def test_both_orders_of_arguments(prototxt: Path, tmp_path: Path) -> None:
    first = caffe.Net(prototxt, "TEST")
    first.save(tmp_path / "w.caffemodel")
    for other in (
        caffe.Net(str(prototxt), str(tmp_path / "w.caffemodel"), caffe.TEST),
        caffe.Net(str(prototxt), caffe.TEST, weights=tmp_path / "w.caffemodel"),
        caffe.Net(prototxt, weights=tmp_path / "w.caffemodel", phase="TEST", device="cpu"),
    ):
        np.testing.assert_array_equal(other.params["conv"][0].data, first.params["conv"][0].data)
    with pytest.raises(UsageError, match="phase"):
        caffe.Net(prototxt)


def test_what_the_net_is(net: caffe.Net) -> None:
    assert net.inputs == ["data"]
    assert net.outputs == ["sum"]
    assert list(net.blobs) == ["data", "conv", "left", "right", "sum"]
    assert [layer.type for layer in net.layers][:2] == ["Input", "Convolution"]
    assert net.layers[1].blobs[0].shape == (4, 3, 3, 3)
    assert [b.shape for b in net.params["conv"]] == [(4, 3, 3, 3), (4,)]
    blob = net.blobs["data"]
    assert (blob.num, blob.channels, blob.height, blob.width, blob.count) == (2, 3, 8, 8, 384)


def test_assigning_in_place_is_seen(net: caffe.Net) -> None:
    data = net.blobs["data"].data  # the reference stays good over a forward
    before = net.forward()["sum"].copy()
    data[...] = 0
    net.params["conv"][1].data[...] = 7
    after = net.forward()["sum"]
    assert not np.array_equal(before, after)
    np.testing.assert_array_equal(after, np.full_like(after, 35))


def test_forward_takes_arrays_and_returns_blobs(net: caffe.Net) -> None:
    found = net.forward(blobs=["conv"], data=np.ones((2, 3, 8, 8), np.float32))
    assert sorted(found) == ["conv", "sum"]
    with pytest.raises(UsageError, match="shape"):
        net.forward(data=np.ones((1, 3, 8, 8), np.float32))
    with pytest.raises(UsageError, match="no input"):
        net.forward(dato=np.ones(1))


def test_start_and_end(net: caffe.Net) -> None:
    net.forward()
    assert list(net.forward(end="conv")) == ["conv"]
    net.blobs["conv"].data[...] = 1
    np.testing.assert_array_equal(net.forward(start="left")["sum"], 5)
    with pytest.raises(UsageError, match="no layer"):
        net.forward(start="nothing")


def test_backward_gives_every_blob_caffes_gradient(net: caffe.Net) -> None:
    net.forward()
    seed = np.random.default_rng(1).normal(size=net.blobs["sum"].shape).astype(np.float32)
    given = net.backward(diffs=["conv"], sum=seed)
    assert sorted(given) == ["conv", "data"]
    np.testing.assert_allclose(net.blobs["left"].diff, seed)
    # Written in place: the data is the ReLU's, the gradient the convolution's.
    positive = net.blobs["conv"].data > 0
    np.testing.assert_allclose(net.blobs["conv"].diff, np.where(positive, 5 * seed, 0), rtol=1e-6)
    np.testing.assert_allclose(
        net.params["conv"][1].diff, net.blobs["conv"].diff.sum((0, 2, 3)), rtol=1e-4
    )
    assert np.abs(net.blobs["data"].diff).max() > 0


def test_parameters_gradients_add_up_until_cleared(net: caffe.Net) -> None:
    net.forward()
    ones = np.ones_like(net.blobs["sum"].data)
    net.backward(sum=ones)
    once = net.params["conv"][0].diff.copy()
    bottom = net.blobs["data"].diff.copy()
    net.backward(sum=ones)
    np.testing.assert_allclose(net.params["conv"][0].diff, 2 * once, rtol=1e-6)
    np.testing.assert_allclose(net.blobs["data"].diff, bottom, rtol=1e-6)
    net.clear_param_diffs()
    assert not net.params["conv"][0].diff.any()


def test_backward_in_two_parts(net: caffe.Net) -> None:
    net.forward()
    ones = np.ones_like(net.blobs["sum"].data)
    net.backward(sum=ones)
    whole = net.blobs["data"].diff.copy()
    net.blobs["data"].diff[...] = 0
    net.backward(end="left", sum=ones)
    assert not net.blobs["data"].diff.any()
    net.backward(start="relu")
    np.testing.assert_allclose(net.blobs["data"].diff, whole, rtol=1e-6)


def test_backward_before_forward_says_so(net: caffe.Net) -> None:
    with pytest.raises(UsageError, match="no forward"):
        net.backward()


def test_loss_weights_start_backward(tmp_path: Path) -> None:
    path = tmp_path / "loss.prototxt"
    path.write_text(
        SMALL.replace("force_backward: true", "").replace(
            'bottom: "right" top: "sum"', 'bottom: "right" top: "sum" loss_weight: 0.5'
        )
    )
    net = caffe.Net(path, "TRAIN")
    net.blobs["data"].data[...] = 1
    net.forward()
    net.backward()
    np.testing.assert_array_equal(net.blobs["left"].diff, 0.5)
    assert not net.blobs["data"].diff.any()  # nothing before the first parameters learns


def test_reshape(net: caffe.Net) -> None:
    net.blobs["data"].reshape(1, 3, 16, 12)
    net.reshape()
    assert net.blobs["sum"].shape == (1, 4, 14, 10)
    net.blobs["data"].data[...] = 0
    assert net.forward()["sum"].shape == (1, 4, 14, 10)


def test_save_and_copy_from(net: caffe.Net, prototxt: Path, tmp_path: Path) -> None:
    net.save(tmp_path / "saved.caffemodel")
    other = caffe.Net(prototxt, "TEST")
    report = other.copy_from(tmp_path / "saved.caffemodel")
    assert report.kept == ["conv"]
    np.testing.assert_array_equal(other.params["conv"][0].data, net.params["conv"][0].data)
    # OpenCV is the outside judge of what was saved.
    judge = cv2.dnn.readNetFromCaffe(str(prototxt), str(tmp_path / "saved.caffemodel"))
    judge.setInput(np.ascontiguousarray(net.blobs["data"].data))
    np.testing.assert_allclose(judge.forward(), net.forward()["sum"], atol=1e-5)


def test_shared_parameters_are_one(tmp_path: Path) -> None:
    path = tmp_path / "shared.prototxt"
    path.write_text(
        """
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 2 } } }
layer { name: "a" type: "InnerProduct" bottom: "x" top: "a" param { name: "w" }
  inner_product_param { num_output: 2 bias_term: false weight_filler { type: "gaussian" } } }
layer { name: "b" type: "InnerProduct" bottom: "a" top: "b" param { name: "w" }
  inner_product_param { num_output: 2 bias_term: false } }
"""
    )
    net = caffe.Net(path, "TEST")
    net.params["a"][0].data[...] = [[1, 2], [3, 4]]
    np.testing.assert_array_equal(net.params["b"][0].data, [[1, 2], [3, 4]])
    np.testing.assert_array_equal(net.forward(x=np.array([[1, 0]], np.float32))["b"], [[7, 15]])


def test_errors_name_file_line_and_layer(tmp_path: Path) -> None:
    path = tmp_path / "bad.prototxt"
    path.write_text(SMALL.replace('"left" type: "Power"', '"left" type: "Powr"'))
    unknown = r'bad.prototxt:9 \(layer "left"\): no layer type .*"Powr"'
    with pytest.raises(InputError, match=unknown) as e:
        caffe.Net(path, "TEST")
    assert "Did you mean Power?" in e.value.hint
    path.write_text(SMALL.replace("kernel_size: 3", "kernel_size: 30"))
    with pytest.raises(InputError, match=r'bad.prototxt:6 \(layer "conv"\): cannot take bottoms'):
        caffe.Net(path, "TEST")


def test_device_that_is_not_there(prototxt: Path) -> None:
    with pytest.raises(UsageError, match="cuda:77"):
        caffe.Net(prototxt, "TEST", device="cuda:77")
    caffe.set_mode_gpu()
    try:
        caffe.set_device(77)
        with pytest.raises(UsageError, match="cuda:77"):
            caffe.Net(prototxt, "TEST")
    finally:
        caffe.set_device(0)
        caffe.set_mode_cpu()
    assert caffe.Net(prototxt, "TEST").device.type == "cpu"


def test_transformer_does_and_undoes(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "x.png"), picture)
    image = caffe.io.load_image(tmp_path / "x.png")
    np.testing.assert_allclose(image, picture[:, :, ::-1] / 255, atol=1e-6)
    transformer = caffe.io.Transformer({"data": (1, 3, 8, 8)})
    transformer.set_transpose("data", (2, 0, 1))
    transformer.set_channel_swap("data", (2, 1, 0))
    transformer.set_raw_scale("data", 255)
    transformer.set_mean("data", np.array([104, 117, 123]))
    transformer.set_input_scale("data", 0.5)
    values = transformer.preprocess("data", image)
    expected = (picture.transpose(2, 0, 1) - np.array([104, 117, 123])[:, None, None]) * 0.5
    np.testing.assert_allclose(values, expected, atol=1e-3)
    np.testing.assert_allclose(transformer.deprocess("data", values), image, atol=1e-5)
    assert transformer.preprocess("data", np.zeros((20, 30, 3))).shape == (3, 8, 8)
    with pytest.raises(UsageError, match="no input"):
        transformer.set_raw_scale("dato", 1)


def test_messages_are_arrays_and_arrays_are_messages() -> None:
    """A mean image has the old shape of four; a caffemodel's blobs the new one."""
    old = caffe_pb2.BlobProto(num=1, channels=3, height=2, width=2, data=range(12))
    assert caffe.io.blobproto_to_array(old).shape == (1, 3, 2, 2)
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    blob = caffe.io.array_to_blobproto(values, -values)
    assert list(blob.shape.dim) == [2, 3]
    np.testing.assert_array_equal(caffe.io.blobproto_to_array(blob), values)
    np.testing.assert_array_equal(caffe.io.blobproto_to_array(blob, return_diff=True), -values)
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)
    for array in (pixels, pixels.astype(float)):
        datum = caffe.io.array_to_datum(array, 5)
        assert (datum.channels, datum.height, datum.width, datum.label) == (3, 2, 2, 5)
        assert bool(datum.data) == (array.dtype == np.uint8)
        found = caffe.io.datum_to_array(datum)
        np.testing.assert_array_equal(found, array)
        assert found.dtype == array.dtype
    with pytest.raises(ValueError, match="three axes"):
        caffe.io.array_to_datum(values)
