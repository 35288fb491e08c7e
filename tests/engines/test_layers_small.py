"""Layer types that no answer of the original covers, against its definition written out in NumPy.

The twins follow ``src/caffe/layers/*.cpp``, see support/layertwins.py; where the definition has a
kink the original's choice is stated.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from google.protobuf import text_format
from support import GOLDEN
from support.layertwins import Arrays, Case, Twin, along, assert_outlines, check_case, make, single

from ssd_data.core.errors import InputError
from ssd_data.engines.torch.fillers import fill
from ssd_data.engines.torch.net import Net
from ssd_data.nets.graph import parse_graph
from ssd_data.proto import caffe_pb2


def bias(axis: int) -> Twin:
    def twin(bottoms: Arrays, params: Arrays) -> list[np.ndarray]:
        x, b = (*bottoms, *params)
        return [x + along(b, x, axis)]

    return twin


def scale(axis: int) -> Twin:
    def twin(bottoms: Arrays, params: Arrays) -> list[np.ndarray]:
        x, s, *b = (*bottoms, *params)
        y = x * along(s, x, axis)
        return [y + along(b[0], x, axis) if b else y]

    return twin


def prelu(bottoms: Arrays, params: Arrays) -> list[np.ndarray]:
    (x,), (slope,) = bottoms, params
    slopes = np.broadcast_to(slope, x.shape[1]) if slope.ndim == 0 else slope
    return [np.maximum(x, 0) + along(slopes, x, 1) * np.minimum(x, 0)]


def depthwise(bottoms: Arrays, params: Arrays) -> list[np.ndarray]:
    (x,), (weight, offset) = bottoms, params  # kernel 3x2, stride 2x1, pad 1x0
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (0, 0)))
    height, width = (padded.shape[2] - 3) // 2 + 1, padded.shape[3] - 2 + 1
    y = np.empty((len(x), x.shape[1], height, width))
    for i in range(height):
        for j in range(width):
            window = padded[:, :, 2 * i : 2 * i + 3, j : j + 2]
            y[:, :, i, j] = (window * weight[:, 0]).sum((2, 3)) + offset
    return [y]


def pooling(
    is_max: bool, kernel: tuple[int, int], stride: tuple[int, int], pad: tuple[int, int]
) -> Twin:
    def size(length: int, a: int) -> int:
        n = math.ceil((length + 2 * pad[a] - kernel[a]) / stride[a]) + 1
        return n - 1 if max(pad) and (n - 1) * stride[a] >= length + pad[a] else n

    def twin(bottoms: Arrays, params: Arrays) -> list[np.ndarray]:
        (x,) = bottoms
        height, width = x.shape[2:]
        y = np.empty((*x.shape[:2], size(height, 0), size(width, 1)))
        for i in range(y.shape[2]):
            for j in range(y.shape[3]):
                top, left = i * stride[0] - pad[0], j * stride[1] - pad[1]
                bottom = min(top + kernel[0], height + pad[0])
                right = min(left + kernel[1], width + pad[1])
                area = (bottom - top) * (right - left)
                window = x[
                    :, :, max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)
                ]
                y[:, :, i, j] = window.max((2, 3)) if is_max else window.sum((2, 3)) / area
        return [y]

    return twin


def lrn_within(bottoms: Arrays, params: Arrays) -> list[np.ndarray]:
    (x,) = bottoms  # size 3, alpha 0.5, beta 0.75; k does not count
    padded = np.pad(x * x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    h, w = x.shape[2:]
    sums = sum(padded[:, :, i : i + h, j : j + w] for i in range(3) for j in range(3))
    return [x * (1 + 0.5 / 9 * sums) ** -0.75]


def lrn_across(bottoms: Arrays, params: Arrays) -> list[np.ndarray]:
    (x,) = bottoms  # size 3, alpha 0.5, beta 0.75, k 2
    padded = np.pad(x * x, ((0, 0), (1, 1), (0, 0), (0, 0)))
    sums = sum(padded[:, i : i + x.shape[1]] for i in range(3))
    return [x * (2 + 0.5 / 3 * sums) ** -0.75]


def inner_product(axis: int, transpose: bool) -> Twin:
    def twin(bottoms: Arrays, params: Arrays) -> list[np.ndarray]:
        (x,), (weight, *offset) = bottoms, params
        rows = x.reshape(math.prod(x.shape[:axis]), -1)
        y = rows @ (weight if transpose else weight.T) + (offset[0] if offset else 0)
        return [y.reshape(*x.shape[:axis], -1)]

    return twin


def crop(bottoms: Arrays, params: Arrays) -> list[np.ndarray]:
    return [bottoms[0][:, :, 1:4, 2:4]]


def batch_norm(bottoms: Arrays, params: Arrays) -> list[np.ndarray]:
    return [bottoms[0] / math.sqrt(1e-5)]  # factor 0: mean 0, variance 0


X = (2, 3, 4, 5)
NOISE = 'type: "gaussian" std: 1'
CASES: dict[str, Case] = {
    "bias_learned": ("Bias", f"bias_param {{ num_axes: 2 filler {{ {NOISE} }} }}", [X], 1, bias(1)),
    "bias_rest": ("Bias", "bias_param { axis: -2 num_axes: -1 }", [X], 1, bias(2)),
    "bias_one": ("Bias", "bias_param { axis: 0 num_axes: 0 }", [X], 1, bias(0)),
    "bias_bottom": ("Bias", "bias_param { axis: 2 }", [X, (4,)], 1, bias(2)),
    "scale_two_bottoms": ("Scale", "scale_param { axis: 0 }", [X, (2, 3)], 1, scale(0)),
    "scale_bottom_and_bias": (
        "Scale", "scale_param { axis: 1 bias_term: true }", [X, (3, 4)], 1, scale(1)),
    "scale_axis": ("Scale", "scale_param { axis: 2 bias_term: true }", [X], 1, scale(2)),
    "scale_num_axes": ("Scale", "scale_param { axis: -3 num_axes: 2 }", [X], 1, scale(1)),
    "scale_rest": ("Scale", "scale_param { axis: 1 num_axes: -1 }", [X], 1, scale(1)),
    "scale_one": ("Scale", "scale_param { num_axes: 0 axis: 0 }", [X], 1, scale(0)),
    "concat": ("Concat", "", [X, (2, 1, 4, 5)], 1, lambda b, p: [np.concatenate(b, 1)]),
    "concat_axis": (
        "Concat", "concat_param { axis: -2 }", [X, (2, 3, 1, 5), X], 1,
        lambda b, p: [np.concatenate(b, 2)]),
    "concat_dim": (
        "Concat", "concat_param { concat_dim: 0 }", [X, X], 1, lambda b, p: [np.concatenate(b, 0)]),
    "slice_points": (
        "Slice", "slice_param { axis: 3 slice_point: 1 slice_point: 4 }", [X], 3,
        lambda b, p: np.split(b[0], [1, 4], 3)),
    "slice_equal": ("Slice", "", [X], 3, lambda b, p: np.split(b[0], 3, 1)),
    "slice_dim": (
        "Slice", "slice_param { slice_dim: 2 }", [X], 2, lambda b, p: np.split(b[0], 2, 2)),
    "split": ("Split", "", [X], 3, lambda b, p: [b[0]] * 3),
    "crop": ("Crop", "crop_param { offset: 1 offset: 2 }", [X, (9, 9, 3, 2)], 1, crop),
    "crop_one_offset": (
        "Crop", "crop_param { axis: 1 offset: 1 }", [X, (7, 2, 3, 2)], 1,
        single(lambda x: x[:, 1:3, 1:4, 1:3])),
    "dropout_test": (
        "Dropout", "dropout_param { dropout_ratio: 0.7 }", [X], 1, single(lambda x: x)),
    "power": (
        "Power", "power_param { power: 3 scale: 0.5 shift: -1 }", [X], 1,
        single(lambda x: (0.5 * x - 1) ** 3)),
    "power_none": ("Power", "power_param { power: 0 }", [X], 1, single(np.ones_like)),
    "prelu": ("PReLU", f"prelu_param {{ filler {{ {NOISE} }} }}", [X], 1, prelu),
    "prelu_shared": ("PReLU", "prelu_param { channel_shared: true }", [X], 1, prelu),
    "prelu_two_axes": ("PReLU", "", [(4, 3)], 1, prelu),
    "depthwise": (
        "DepthwiseConvolution", "convolution_param { num_output: 3 group: 3 kernel_h: 3 kernel_w: 2"
        f" stride_h: 2 stride_w: 1 pad_h: 1 pad_w: 0 weight_filler {{ {NOISE} }}"
        f" bias_filler {{ {NOISE} }} }}", [X], 1, depthwise),
    "relu6": ("ReLU6", "", [X], 1, single(lambda x: np.clip(x, 0, 6))),
    "reshape_axis": (
        "Reshape", "reshape_param { axis: 1 num_axes: 2 shape { dim: 2 dim: -1 } }", [X], 1,
        single(lambda x: x.reshape(2, 2, 6, 5))),
    "reshape_copies": (
        "Reshape", "reshape_param { axis: 2 shape { dim: 0 dim: 5 } }", [X], 1,
        single(lambda x: x)),
    "reshape_appends": (
        "Reshape", "reshape_param { axis: -1 num_axes: 0 shape { dim: 1 } }", [X], 1,
        single(lambda x: x[..., None])),
    "pooling_max_hw": (
        "Pooling", "pooling_param { pool: MAX kernel_h: 3 kernel_w: 2 stride_h: 2 stride_w: 3 }",
        [(2, 3, 6, 7)], 1, pooling(True, (3, 2), (2, 3), (0, 0))),
    "pooling_max_pad": (
        "Pooling", "pooling_param { pool: MAX kernel_size: 3 stride: 2 pad_h: 1 pad_w: 0 }",
        [(2, 3, 6, 7)], 1, pooling(True, (3, 3), (2, 2), (1, 0))),
    "pooling_ave_hw": (
        "Pooling", "pooling_param { pool: AVE kernel_h: 2 kernel_w: 3 stride_h: 3 stride_w: 2"
        " pad_h: 1 pad_w: 2 }", [(2, 3, 6, 7)], 1, pooling(False, (2, 3), (3, 2), (1, 2))),
    "pooling_last_window_cut": (
        "Pooling", "pooling_param { pool: AVE kernel_size: 2 stride: 3 pad: 1 }",
        [(1, 2, 5, 5)], 1, pooling(False, (2, 2), (3, 3), (1, 1))),
    "pooling_global": (
        "Pooling", "pooling_param { pool: MAX global_pooling: true }", [X], 1,
        single(lambda x: x.max((2, 3), keepdims=True))),
    "lrn_within": (
        "LRN", "lrn_param { norm_region: WITHIN_CHANNEL local_size: 3 alpha: 0.5 k: 7 }", [X], 1,
        lrn_within),
    "lrn_across": ("LRN", "lrn_param { local_size: 3 alpha: 0.5 k: 2 }", [X], 1, lrn_across),
    "inner_product_axis": (
        "InnerProduct", "inner_product_param { num_output: 4 axis: 2"
        f" weight_filler {{ {NOISE} }} bias_filler {{ {NOISE} }} }}", [X], 1,
        inner_product(2, False)),
    "inner_product_transpose": (
        "InnerProduct", "inner_product_param { num_output: 4 transpose: true bias_term: false"
        f" weight_filler {{ {NOISE} }} }}", [X], 1, inner_product(1, True)),
    "batch_norm_no_statistics": ("BatchNorm", "", [X], 1, batch_norm),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_forward_and_gradients(name: str) -> None:
    check_case(CASES[name])


@pytest.mark.parametrize("name", CASES)
def test_the_shapes_are_those_that_forward_gives(name: str) -> None:
    kind, param, shapes, tops, _ = CASES[name]
    assert_outlines(make(kind, param, shapes, tops))


@pytest.mark.parametrize("path", sorted((GOLDEN / "layers").glob("layer_*.prototxt")))
def test_the_shapes_in_the_originals_cases(path: Path) -> None:
    assert_outlines(Net(path, "TEST"))


# ---- kinks: what the original does where the definition leaves a choice ----


@pytest.mark.parametrize(
    ("kind", "param", "values", "slopes"),
    [
        ("ReLU", "", [0.0], [0.0]),
        ("ReLU", "relu_param { negative_slope: 0.5 }", [0.0], [0.5]),
        ("ReLU6", "", [0.0, 6.0], [0.0, 0.0]),
        ("PReLU", "", [0.0], [0.25]),
        ("ELU", "elu_param { alpha: 0.5 }", [0.0], [0.5]),
    ],
)
def test_slope_at_kinks(kind: str, param: str, values: list[float], slopes: list[float]) -> None:
    net = make(kind, param, [(1, len(values))])
    net.forward(x0=np.array([values]))
    np.testing.assert_allclose(net.backward(y0=np.ones((1, len(values))))["x0"], [slopes])


@pytest.mark.parametrize("size", ["global_pooling: true", "kernel_size: 2"])
def test_of_equal_values_the_first_is_the_largest(size: str) -> None:
    net = make("Pooling", f"pooling_param {{ pool: MAX {size} }}", [(1, 1, 2, 2)])
    net.forward(x0=np.array([[[[1, 3], [3, 3]]]]))
    np.testing.assert_array_equal(
        net.backward(y0=np.ones((1, 1, 1, 1)))["x0"][0, 0], [[0, 1], [0, 0]]
    )


# ---- layers without a gradient, or without a formula ----


@pytest.mark.parametrize(
    ("param", "shape", "expected"),
    [
        ("", (1, 1, 1, 1), [3]),
        ("top_k: 2", (1, 1, 2, 1), [3, 0]),
        ("top_k: 2 out_max_val: true", (1, 2, 2, 1), [3, 0, 9, 9]),
        ("axis: 1", (1, 1, 1, 2), [0, 1]),
        ("axis: 1 out_max_val: true", (1, 1, 1, 2), [9, 9]),
        ("axis: -1 top_k: 2", (1, 2, 1, 2), [0, 1, 1, 0]),
    ],
)
def test_argmax(param: str, shape: tuple[int, ...], expected: list[float]) -> None:
    """Of equal values the one further on is the larger."""
    net = make("ArgMax", f"argmax_param {{ {param} }}", [(1, 2, 1, 2)])
    assert net.blobs["y0"].shape == shape
    found = net.forward(x0=np.array([[[[9, 5]], [[1, 9]]]]))["y0"]
    assert found.shape == shape
    assert found.ravel().tolist() == expected


def test_argmax_of_two_axes_and_too_many() -> None:
    net = make("ArgMax", "argmax_param { top_k: 2 }", [(2, 3)])
    assert net.forward(x0=np.array([[1, 2, 3], [3, 1, 2]]))["y0"].tolist() == [[[2, 1]], [[0, 2]]]
    with pytest.raises(InputError, match="top_k 4 of 3 values"):
        make("ArgMax", "argmax_param { top_k: 4 }", [(2, 3)])


def test_silence_gives_nothing_and_hides_its_bottoms() -> None:
    net = make("Silence", "", [(2, 3), (1,)], tops=0)
    assert net.outputs == []
    assert net.forward() == {}


def test_input_takes_one_shape_for_all_or_one_each() -> None:
    text = 'layer {{ name: "i" type: "Input" top: "a" top: "b" input_param {{ {} }} }}'
    one = Net(parse_graph(text.format("shape { dim: 2 dim: 3 }")))
    assert [one.blobs[n].shape for n in "ab"] == [(2, 3), (2, 3)]
    two = Net(parse_graph(text.format("shape { dim: 2 } shape { }")))
    assert [two.blobs[n].shape for n in "ab"] == [(2,), ()]
    for wrong, sentence in (("", "0 shapes for 2 tops"), ("shape { dim: -1 }", "negative size")):
        with pytest.raises(InputError, match=sentence):
            Net(parse_graph(text.format(wrong)))


def test_dropout_in_training() -> None:
    net = make("Dropout", "dropout_param { dropout_ratio: 0.3 }", [(100, 100)], phase="TRAIN")
    y = net.forward(x0=np.ones((100, 100)))["y0"]
    np.testing.assert_allclose(np.unique(y), [0, 1 / 0.7], rtol=1e-6)
    assert (y == 0).mean() == pytest.approx(0.3, abs=0.03)
    np.testing.assert_allclose(net.backward(y0=np.full((100, 100), 2.0))["x0"], 2 * y, rtol=1e-6)


# ---- fillers, by include/caffe/filler.hpp ----

N_IN, N_OUT = 40 * 9, 1600 * 9  # of a weight of 1600 outputs, 40 inputs, 3x3


def filled(text: str, *shape: int) -> np.ndarray:
    torch.manual_seed(0)
    filler = caffe_pb2.FillerParameter()
    text_format.Parse(text, filler)
    tensor = torch.full(shape, math.nan)
    fill(tensor, filler)
    return tensor.numpy()


@pytest.mark.parametrize(
    ("norm", "n"),
    [("FAN_IN", N_IN), ("FAN_OUT", N_OUT), ("AVERAGE", (N_IN + N_OUT) / 2)],
)
def test_xavier_and_msra(norm: str, n: float) -> None:
    values = filled(f'type: "xavier" variance_norm: {norm}', 1600, 40, 3, 3)
    assert np.abs(values).max() == pytest.approx(math.sqrt(3 / n), rel=1e-3)
    assert values.std() == pytest.approx(math.sqrt(1 / n), rel=0.01)
    values = filled(f'type: "msra" variance_norm: {norm}', 1600, 40, 3, 3)
    assert values.std() == pytest.approx(math.sqrt(2 / n), rel=0.01)
    assert np.abs(values).max() > 4 * values.std()  # a bell, not a box


def test_fans_of_weights_with_fewer_axes() -> None:
    assert filled('type: "msra"', 5000, 50).std() == pytest.approx(math.sqrt(2 / 50), rel=0.01)
    out = filled('type: "msra" variance_norm: FAN_OUT', 5000, 50)
    assert out.std() == pytest.approx(math.sqrt(2 / 5000), rel=0.01)


def test_simple_fillers() -> None:
    assert set(filled('type: "constant" value: 3', 4).tolist()) == {3.0}
    assert set(filled("", 4).tolist()) == {0.0}  # what a missing filler is
    values = filled('type: "uniform" min: -1 max: 3', 40_000)
    assert (values.min(), values.max()) == pytest.approx((-1, 3), abs=0.01)
    assert values.mean() == pytest.approx(1, abs=0.02)
    values = filled('type: "gaussian" mean: 2 std: 0.5', 40_000)
    assert (values.mean(), values.std()) == pytest.approx((2, 0.5), abs=0.01)


def test_a_sparse_gaussian_keeps_a_share_of_the_outputs_number() -> None:
    values = filled('type: "gaussian" std: 1 sparse: 3', 30, 2000)
    assert (values != 0).mean() == pytest.approx(3 / 30, abs=0.005)
    with pytest.raises(InputError, match="sparse"):
        filled('type: "xavier" sparse: 3', 3, 3)


def test_positive_unitball_sums_to_one_for_each_output() -> None:
    values = filled('type: "positive_unitball"', 5, 3, 2, 2)
    assert values.min() >= 0
    np.testing.assert_allclose(values.reshape(5, -1).sum(1), 1, rtol=1e-5)


@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 6, 8])
def test_bilinear(width: int) -> None:
    f = math.ceil(width / 2)
    c = (2 * f - 1 - f % 2) / (2 * f)
    line = [1 - abs(x / f - c) for x in range(width)]
    values = filled('type: "bilinear"', 2, 1, width, width)
    for plane in values[:, 0]:
        np.testing.assert_allclose(plane, np.outer(line, line), atol=1e-6)


def test_fillers_that_do_not_fit() -> None:
    with pytest.raises(InputError, match="square"):
        filled('type: "bilinear"', 1, 1, 2, 3)
    with pytest.raises(InputError, match='no filler is called "xavierr"') as error:
        filled('type: "xavierr"', 1)
    assert "bilinear" in error.value.hint


def test_a_net_that_is_wrong_names_its_layer(tmp_path: Path) -> None:
    for kind, param, shapes, sentence in (
        ("Concat", "", [(2, 3), (2, 3, 4)], "cannot take bottoms of shape 2x3, 2x3x4"),
        ("Slice", "slice_param { slice_point: 9 }", [(1, 3)], "slice points"),
        ("Crop", "crop_param { offset: 3 }", [X, X], "reaches beyond the end of axis 2"),
        ("Reshape", "reshape_param { shape { dim: 7 } }", [X], "cannot take bottoms"),
        ("Reshape", "reshape_param { axis: 9 }", [X], "has axis 9"),
        ("Pooling", "pooling_param { kernel_size: 3 pad: 3 }", [X], "pads by the whole kernel"),
        ("Bias", "bias_param { axis: 9 }", [X], "has axis 9, but its bottom has 4 axes"),
        ("LRN", "lrn_param { local_size: 4 }", [X], "must be odd"),
        ("InnerProduct", "", [X], "no num_output"),
        ("Scale", "", [X, (4,)], "cannot take bottoms"),
    ):
        with pytest.raises(InputError, match=sentence) as error:
            make(kind, param, shapes)
        assert error.value.where.endswith('(layer "it")'), kind
