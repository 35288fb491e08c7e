"""Layer types of BVLC's proto and of forks that SSD nets use, against definitions in NumPy.

The twins go place by place, as the C++ of BVLC, DeepLab, Darknet's converters, Fast R-CNN and R-FCN
does; none shares code with the layers.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from support.layertwins import (
    Arrays,
    Case,
    Twin,
    assert_close,
    assert_outlines,
    check_case,
    make,
    single,
)

from ssd_data.core.errors import InputError
from ssd_data.engines.torch.net import Net
from ssd_data.nets.caffemodel import to_blob
from ssd_data.nets.graph import parse_graph
from ssd_data.nets.sizes import map_sizes

X = (2, 3, 4, 5)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def axpy(bottoms: Arrays, params: Arrays) -> list[np.ndarray]:
    a, x, b = bottoms
    y = b.copy()
    for n in range(len(x)):
        for c in range(x.shape[1]):
            y[n, c] += a.reshape(x.shape[:2])[n, c] * x[n, c]
    return [y]


def upsample(down: int, across: int, scale: float = 1) -> Twin:
    def twin(bottoms: Arrays, params: Arrays) -> list[np.ndarray]:
        (x,) = bottoms
        y = np.empty((*x.shape[:2], x.shape[2] * down, x.shape[3] * across))
        for h in range(y.shape[2]):
            for w in range(y.shape[3]):
                y[:, :, h, w] = scale * x[:, :, h // down, w // across]
        return [y]

    return twin


def interp(height: int, width: int, crop: int = 0) -> Twin:
    def twin(bottoms: Arrays, params: Arrays) -> list[np.ndarray]:
        x = bottoms[0][:, :, crop : bottoms[0].shape[2] - crop, crop : bottoms[0].shape[3] - crop]
        rows, columns = x.shape[2:]
        y = np.empty((*x.shape[:2], height, width))
        for i in range(height):
            for j in range(width):
                h = i * (rows - 1) / (height - 1) if height > 1 else 0.0
                w = j * (columns - 1) / (width - 1) if width > 1 else 0.0
                top, left = int(h + 1e-9), int(w + 1e-9)
                below, right = min(top + 1, rows - 1), min(left + 1, columns - 1)
                v, u = h - top, w - left
                y[:, :, i, j] = (1 - v) * ((1 - u) * x[:, :, top, left] + u * x[:, :, top, right])
                y[:, :, i, j] += v * ((1 - u) * x[:, :, below, left] + u * x[:, :, below, right])
        return [y]

    return twin


def reorg(s: int, reverse: bool) -> Twin:
    """Darknet's loop over the values, which it reads in one shape and writes in another."""

    def twin(bottoms: Arrays, params: Arrays) -> list[np.ndarray]:
        (x,) = bottoms
        batch, channels, height, width = x.shape
        few = channels // (s * s)
        flat, y = x.ravel(), np.empty(x.size)
        for b in range(batch):
            for k in range(channels):
                for j in range(height):
                    for i in range(width):
                        own = i + width * (j + height * (k + channels * b))
                        column = i * s + k // few % s
                        row = j * s + k // few // s
                        other = column + width * s * (row + height * s * (k % few + few * b))
                        if reverse:
                            y[other] = flat[own]
                        else:
                            y[own] = flat[other]
        if reverse:
            return [y.reshape(batch, few, height * s, width * s)]
        return [y.reshape(batch, channels * s * s, height // s, width // s)]

    return twin


def shuffle(group: int) -> Twin:
    def twin(bottoms: Arrays, params: Arrays) -> list[np.ndarray]:
        (x,) = bottoms
        each, y = x.shape[1] // group, np.empty_like(x)
        for i in range(group):
            for j in range(each):
                y[:, j * group + i] = x[:, i * each + j]
        return [y]

    return twin


def mvn(axes: tuple[int, ...], variance: bool) -> Twin:
    def twin(bottoms: Arrays, params: Arrays) -> list[np.ndarray]:
        y = bottoms[0] - bottoms[0].mean(axes, keepdims=True)
        return [y / (np.sqrt((y * y).mean(axes, keepdims=True)) + 1e-3) if variance else y]

    return twin


def spp(bottoms: Arrays, params: Arrays) -> list[np.ndarray]:
    (x,) = bottoms  # two levels on 4x5: the whole, and windows of 2x3 padded by 0x1
    whole = x.max((2, 3)).reshape(len(x), -1)
    parts = np.empty((*x.shape[:2], 2, 2))
    for i in range(2):
        for j in range(2):
            left, right = (0, 2) if j == 0 else (2, 5)
            parts[:, :, i, j] = x[:, :, 2 * i : 2 * i + 2, left:right].max((2, 3))
    return [np.concatenate([whole, parts.reshape(len(x), -1)], 1)]


def spp_average(bottoms: Arrays, params: Arrays) -> list[np.ndarray]:
    return [bottoms[0].mean((2, 3), keepdims=True)]


def im2col(bottoms: Arrays, params: Arrays) -> list[np.ndarray]:
    (x,) = bottoms  # kernel 3x2, stride 2x1, pad 1x0
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (0, 0)))
    height, width = (padded.shape[2] - 3) // 2 + 1, padded.shape[3] - 1
    y = np.empty((len(x), x.shape[1] * 6, height, width))
    for c in range(y.shape[1]):
        row, column, channel = c // 2 % 3, c % 2, c // 6
        for i in range(height):
            for j in range(width):
                y[:, c, i, j] = padded[:, channel, 2 * i + row, j + column]
    return [y]


CASES: dict[str, Case] = {
    "absval": ("AbsVal", "", [X], 1, single(np.abs)),
    "bnll": ("BNLL", "", [X], 1, single(lambda x: np.log1p(np.exp(x)))),
    "clip": (
        "Clip", "clip_param { min: -0.5 max: 3 }", [X], 1, single(lambda x: np.clip(x, -0.5, 3))),
    "exp": ("Exp", "", [X], 1, single(np.exp)),
    "exp_base": (
        "Exp", "exp_param { base: 2 scale: 0.5 shift: -1 }", [X], 1,
        single(lambda x: 2 ** (0.5 * x - 1))),
    "exp_shift": ("Exp", "exp_param { shift: 1 }", [X], 1, single(lambda x: np.exp(x + 1))),
    "log": ("Log", "log_param { shift: 3 }", [X], 1, single(lambda x: np.log(x + 3))),
    "log_base": (
        "Log", "log_param { base: 10 scale: 2 shift: 5 }", [X], 1,
        single(lambda x: np.log10(2 * x + 5))),
    "swish": ("Swish", "", [X], 1, single(lambda x: x * sigmoid(x))),
    "swish_beta": (
        "Swish", "swish_param { beta: 0.5 }", [X], 1, single(lambda x: x * sigmoid(0.5 * x))),
    "hard_sigmoid": (
        "HardSigmoid", "", [X], 1, single(lambda x: np.clip(0.2 * x + 0.5, 0, 1))),
    "hard_sigmoid_line": (
        "HardSigmoid", "hard_sigmoid_param { alpha: 0.3 beta: 0.4 }", [X], 1,
        single(lambda x: np.clip(0.3 * x + 0.4, 0, 1))),
    "hard_sigmoid_other_name": (
        "HardSigmoid", "hardsigmoid_param { alpha: 0.1 }", [X], 1,
        single(lambda x: np.clip(0.1 * x + 0.5, 0, 1))),
    "hard_swish": (
        "HardSwish", "", [X], 1, single(lambda x: x * np.clip(x + 3, 0, 6) / 6)),
    "mish": ("Mish", "", [X], 1, single(lambda x: x * np.tanh(np.log1p(np.exp(x))))),
    "axpy": ("Axpy", "", [(2, 3, 1, 1), X, X], 1, axpy),
    "axpy_two_axes": ("Axpy", "", [(2, 3), X, X], 1, axpy),
    "upsample": ("Upsample", "upsample_param { scale: 2 }", [X], 1, upsample(2, 2)),
    "upsample_none": ("Upsample", "", [X], 1, upsample(1, 1)),
    "upsample_sides": (
        "Upsample", "upsample_param { scale_h: 3 scale_w: 1 }", [X], 1, upsample(3, 1)),
    "upsample_stride": (
        "Upsample", "upsample_param { scale: 0.5 stride: 2 }", [X], 1, upsample(2, 2, 0.5)),
    "interp": ("Interp", "interp_param { height: 9 width: 7 }", [X], 1, interp(9, 7)),
    "interp_smaller": ("Interp", "interp_param { height: 1 width: 3 }", [X], 1, interp(1, 3)),
    "interp_zoom": ("Interp", "interp_param { zoom_factor: 2 }", [X], 1, interp(7, 9)),
    "interp_shrink": ("Interp", "interp_param { shrink_factor: 2 }", [X], 1, interp(2, 3)),
    "interp_both": (
        "Interp", "interp_param { shrink_factor: 2 zoom_factor: 3 }", [X], 1, interp(4, 7)),
    "interp_crop": (
        "Interp", "interp_param { height: 4 width: 4 pad_beg: -1 pad_end: -1 }", [X], 1,
        interp(4, 4, 1)),
    "interp_full_zoom": ("Interp", "interp_param { full_zoom_factor: 2 }", [X], 1, interp(8, 10)),
    "reorg": ("Reorg", "reorg_param { stride: 2 }", [(2, 4, 4, 6)], 1, reorg(2, False)),
    "reorg_reverse": (
        "Reorg", "reorg_param { stride: 2 reverse: true }", [(2, 8, 3, 2)], 1, reorg(2, True)),
    "shuffle": (
        "ShuffleChannel", "shuffle_channel_param { group: 3 }", [(2, 6, 2, 3)], 1, shuffle(3)),
    "reduction": ("Reduction", "", [X], 1, single(lambda x: x.sum())),
    "reduction_asum": (
        "Reduction", "reduction_param { operation: ASUM axis: -2 }", [X], 1,
        single(lambda x: np.abs(x).sum((2, 3)))),
    "reduction_sumsq": (
        "Reduction", "reduction_param { operation: SUMSQ axis: 1 coeff: 0.5 }", [X], 1,
        single(lambda x: 0.5 * (x * x).sum((1, 2, 3)))),
    "reduction_mean": (
        "Reduction", "reduction_param { operation: MEAN axis: 3 coeff: -2 }", [X], 1,
        single(lambda x: -2 * x.mean(3))),
    "tile": ("Tile", "tile_param { tiles: 3 }", [X], 1, single(lambda x: np.tile(x, (1, 3, 1, 1)))),
    "tile_axis": (
        "Tile", "tile_param { tiles: 2 axis: -1 }", [X], 1,
        single(lambda x: np.concatenate([x, x], 3))),
    "mvn": ("MVN", "mvn_param { eps: 1e-3 }", [X], 1, mvn((2, 3), True)),
    "mvn_all": (
        "MVN", "mvn_param { eps: 1e-3 across_channels: true }", [X], 1, mvn((1, 2, 3), True)),
    "mvn_mean": ("MVN", "mvn_param { normalize_variance: false }", [X], 1, mvn((2, 3), False)),
    "spp": ("SPP", "spp_param { pyramid_height: 2 }", [X], 1, spp),
    "spp_average": ("SPP", "spp_param { pyramid_height: 1 pool: AVE }", [X], 1, spp_average),
    "im2col": (
        "Im2col", "convolution_param { kernel_h: 3 kernel_w: 2 stride_h: 2 stride_w: 1 pad_h: 1 "
        "pad_w: 0 }", [X], 1, im2col),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_forward_and_gradients(name: str) -> None:
    check_case(CASES[name])


@pytest.mark.parametrize("name", CASES)
def test_the_shapes_are_those_that_forward_gives(name: str) -> None:
    kind, param, shapes, tops, _ = CASES[name]
    assert_outlines(make(kind, param, shapes, tops))


@pytest.mark.parametrize("name", CASES)
def test_sizes_are_told_from_the_prototxt_alone(name: str) -> None:
    kind, param, shapes, tops, _ = CASES[name]
    net = make(kind, param, shapes, tops)
    sizes = map_sizes(net.graph)
    if kind in ("Reduction", "SPP", "Im2col"):
        assert "y0" not in sizes
    else:
        assert sizes["y0"] == net.blobs["y0"].shape[2:]


def test_a_poolings_mask_is_taken_back_by_upsample() -> None:
    text = (
        'force_backward: true input: "x" input_shape { dim: 1 dim: 2 dim: 5 dim: 4 } '
        'layer { name: "p" type: "Pooling" bottom: "x" top: "p" top: "m" pooling_param { '
        "kernel_size: 3 stride: 2 pad: 1 } }"
        'layer { name: "u" type: "Upsample" bottom: "p" bottom: "m" top: "u" upsample_param { '
        "upsample_h: 5 upsample_w: 4 } }"
    )
    net = Net(parse_graph(text))
    x = np.random.default_rng(0).permutation(40).reshape(1, 2, 5, 4).astype(np.float32) - 20
    found = net.forward(x=x)["u"]
    mask, pooled = net.blobs["m"].data, net.blobs["p"].data
    for c in range(2):
        for i in range(3):
            for j in range(3):
                place = int(mask[0, c, i, j])
                assert x[0, c].ravel()[place] == pooled[0, c, i, j]
    assert (found == np.where(np.isin(x, pooled), x, 0)).all()
    whole = Net(
        parse_graph(text.replace("kernel_size: 3 stride: 2 pad: 1", "global_pooling: true"))
    )
    whole.forward(x=x)
    assert whole.blobs["m"].data.ravel().tolist() == x.reshape(2, -1).argmax(1).tolist()


def test_threshold_has_no_gradient() -> None:
    net = make("Threshold", "threshold_param { threshold: 1 }", [(1, 3)])
    assert net.forward(x0=np.array([[0.5, 1, 1.5]]))["y0"].tolist() == [[0, 0, 1]]
    assert not net.backward(y0=np.ones((1, 3)))["x0"].any()


@pytest.mark.parametrize("kind", ["Exp", "BNLL", "Swish", "Mish", "HardSwish"])
def test_large_values_overflow_nowhere_that_the_definition_does_not(kind: str) -> None:
    net = make(kind, "", [(1, 3)])
    y = net.forward(x0=np.array([[-200.0, 0, 80]]))["y0"]
    slope = net.backward(y0=np.ones((1, 3)))["x0"]
    assert np.isfinite(y).all()
    assert np.isfinite(slope).all()


def test_a_map_of_one_value_has_no_variance_and_a_gradient() -> None:
    net = make("MVN", "", [(1, 1, 2, 2)])
    assert not net.forward(x0=np.full((1, 1, 2, 2), 3.0))["y0"].any()
    assert np.isfinite(net.backward(y0=np.ones((1, 1, 2, 2)))["x0"]).all()


# ---- types by other names ----


@pytest.mark.parametrize("group", ["", "group: 3"])
def test_a_convolution_depthwise_is_a_depthwise_convolution(group: str) -> None:
    param = f"convolution_param {{ num_output: 3 kernel_size: 3 {group} }}"
    net = make("ConvolutionDepthwise", param, [(1, 3, 5, 5)])
    assert [blob.shape for blob in net.params["it"]] == [(3, 1, 3, 3), (3,)]
    assert net.steps[-1].node.type == "DepthwiseConvolution"


def test_a_type_without_a_message_keeps_none() -> None:
    net = make("HSwish", "", [(1, 2)])
    assert net.forward(x0=np.array([[-1.0, 9]]))["y0"].tolist() == [[pytest.approx(-1 / 3), 9]]
    assert not net.steps[-1].param.HasField("convolution_param")


# ---- with numbers that say where ----


def test_a_mask_says_where_values_go() -> None:
    """SegNet's Upsample: a MAX Pooling's second top, taken back."""
    param = "upsample_param { scale: 2 pad_out_w: true }"
    net = make("Upsample", param, [(1, 2, 1, 2), (1, 2, 1, 2)])
    x, mask = np.array([[[[5, 6]], [[7, 8]]]]), np.array([[[[0, 5]], [[4, 2]]]])
    y = net.forward(x0=x, x1=mask)["y0"]
    assert y.tolist() == [[[[5, 0, 0], [0, 0, 6]], [[0, 0, 8], [0, 7, 0]]]]
    found = net.backward(y0=np.arange(12).reshape(y.shape))["x0"]
    assert found.tolist() == [[[[0, 5]], [[10, 8]]]]
    sized = make("Upsample", "upsample_param { upsample_h: 3 upsample_w: 4 }", [(1, 1, 1, 1)] * 2)
    assert sized.blobs["y0"].shape == (1, 1, 3, 4)
    with pytest.raises(InputError, match="outside of 4x3"):
        sized.forward(x1=np.full((1, 1, 1, 1), 12))


def test_embed() -> None:
    param = "embed_param { input_dim: 3 num_output: 2 bias_filler { value: 1 } "
    param += 'weight_filler { type: "uniform" } }'
    net = make("Embed", param, [(2, 2)])
    weight = net.params["it"][0].data.copy()
    y = net.forward(x0=np.array([[0, 2], [2, 1]]))["y0"]
    np.testing.assert_allclose(y, weight[[[0, 2], [2, 1]]] + 1, rtol=1e-6)
    net.backward(y0=np.ones((2, 2, 2)))
    assert net.params["it"][0].diff.tolist() == [[1, 1], [1, 1], [2, 2]]
    assert net.params["it"][1].diff.tolist() == [4, 4]
    with pytest.raises(InputError, match=r"not in \[0, 3\)"):
        net.forward(x0=np.full((2, 2), 3))


def test_batch_reindex() -> None:
    net = make("BatchReindex", "", [(3, 2), (4,)])
    x = np.arange(6).reshape(3, 2)
    assert net.forward(x0=x, x1=np.array([2, 0, 2, 1]))["y0"].tolist() == x[[2, 0, 2, 1]].tolist()
    found = net.backward(y0=np.ones((4, 2)))["x0"]
    assert found.tolist() == [[1, 1], [1, 1], [2, 2]]
    with pytest.raises(InputError, match="none of its 3 pictures"):
        net.forward(x1=np.array([0, 0, 0, 3]))
    with pytest.raises(InputError, match="second bottom has 2 axes"):
        make("BatchReindex", "", [(3, 2), (4, 1)])


def test_filter() -> None:
    net = make("Filter", "", [(3, 2), (3, 1, 1), (3, 1)], tops=2)
    x, z = np.arange(6).reshape(3, 2), np.arange(3).reshape(3, 1, 1)
    found = net.forward(x0=x, x1=z, x2=np.array([[1], [0], [-2]]))
    assert found["y0"].tolist() == [[0, 1], [4, 5]]
    assert found["y1"].tolist() == [[[0]], [[2]]]
    assert net.backward(y0=np.full((2, 2), 3.0))["x0"].tolist() == [[3, 3], [0, 0], [3, 3]]
    assert net.forward(x2=np.zeros((3, 1)))["y0"].shape == (0, 2)
    with pytest.raises(InputError, match="1 tops for 2 blobs"):
        make("Filter", "", [(3, 2), (3, 1), (3, 1)])


def test_parameter_is_learned() -> None:
    text = (
        'force_backward: true layer { name: "p" type: "Parameter" top: "p" '
        "parameter_param { shape { dim: 2 dim: 1 } } }"
        'layer { name: "r" type: "Reduction" bottom: "p" top: "r" loss_weight: 1 }'
    )
    net = Net(parse_graph(text))
    assert net.forward()["r"] == 0
    net.params["p"][0].data[...] = [[1], [2]]
    assert net.forward()["r"] == 3
    net.backward()
    assert net.params["p"][0].diff.tolist() == [[1], [1]]


def test_dummy_data() -> None:
    text = (
        'layer { name: "d" type: "DummyData" top: "a" top: "b" dummy_data_param { '
        "shape { dim: 2 dim: 3 } shape { dim: 4 } data_filler { value: 7 } "
        'data_filler { type: "uniform" min: 1 max: 2 } } }'
    )
    net = Net(parse_graph(text))
    first = {name: value.copy() for name, value in net.forward().items()}
    second = net.forward()
    assert (first["a"] == 7).all()
    assert first["a"].shape == (2, 3)
    assert ((first["b"] >= 1) & (first["b"] <= 2)).all()
    assert (first["b"] != second["b"]).any()
    old = text.replace(
        "shape { dim: 2 dim: 3 } shape { dim: 4 }", "num: 1 channels: 2 height: 3 width: 4"
    )
    assert Net(parse_graph(old)).blobs["b"].shape == (1, 2, 3, 4)
    with pytest.raises(InputError, match="0 shapes and 2 fillers for 2 tops"):
        Net(parse_graph(text.replace("shape { dim: 2 dim: 3 } shape { dim: 4 }", "")))


# ---- regions ----


def roi_pool(x: np.ndarray, rois: np.ndarray, scale: float, h: int, w: int) -> np.ndarray:
    y = np.zeros((len(rois), x.shape[1], h, w))
    for n, roi in enumerate(rois):
        left, top, right, bottom = (math.floor(v * scale + 0.5) for v in roi[1:])
        height, width = max(bottom - top + 1, 1), max(right - left + 1, 1)
        for i in range(h):
            for j in range(w):
                rows = range(
                    math.floor(i * height / h) + top, math.ceil((i + 1) * height / h) + top
                )
                columns = range(
                    math.floor(j * width / w) + left, math.ceil((j + 1) * width / w) + left
                )
                inside = [
                    x[int(roi[0]), :, r, c]
                    for r in rows if 0 <= r < x.shape[2]
                    for c in columns if 0 <= c < x.shape[3]
                ]  # fmt: skip
                if inside:
                    y[n, :, i, j] = np.max(inside, 0)
    return y


def ps_pool(x: np.ndarray, rois: np.ndarray, scale: float, outputs: int, k: int) -> np.ndarray:
    y = np.zeros((len(rois), outputs, k, k))
    for n, roi in enumerate(rois):
        left, top = (math.floor(v + 0.5) * scale for v in roi[1:3])
        right, bottom = ((math.floor(v + 0.5) + 1) * scale for v in roi[3:])
        height, width = max(bottom - top, 0.1) / k, max(right - left, 0.1) / k
        for i in range(k):
            for j in range(k):
                rows = range(math.floor(i * height + top), math.ceil((i + 1) * height + top))
                columns = range(math.floor(j * width + left), math.ceil((j + 1) * width + left))
                for o in range(outputs):
                    inside = [
                        x[int(roi[0]), (o * k + i) * k + j, r, c]
                        for r in rows if 0 <= r < x.shape[2]
                        for c in columns if 0 <= c < x.shape[3]
                    ]  # fmt: skip
                    y[n, o, i, j] = np.mean(inside) if inside else 0
    return y


ROIS = np.array(
    [[0, 0, 0, 15, 15], [1, 8, 4, 30, 22], [1, 33, 3, 34, 60], [0, 100, 100, 110, 120]], np.float32
)


def test_roi_pooling() -> None:
    x = np.random.default_rng(0).permutation(2 * 3 * 8 * 9).reshape(2, 3, 8, 9).astype(np.float32)
    param = "roi_pooling_param { pooled_h: 3 pooled_w: 2 spatial_scale: 0.25 }"
    net = make("ROIPooling", param, [x.shape, ROIS.shape])
    found = net.forward(x0=x, x1=ROIS)["y0"]
    assert_close(found, roi_pool(x, ROIS, 0.25, 3, 2), 1e-6, "pooled")
    slope = net.backward(y0=np.ones_like(found))["x0"]
    assert slope.sum() == np.count_nonzero(roi_pool(x + 1, ROIS, 0.25, 3, 2))
    assert set(x[slope > 0].tolist()) <= set(found.ravel().tolist())
    with pytest.raises(InputError, match="region of picture 2, of 2"):
        net.forward(x1=np.full((4, 5), 2))
    with pytest.raises(InputError, match="numbers are none"):
        net.forward(x1=np.full((4, 5), np.nan))
    with pytest.raises(InputError, match="five numbers"):
        make("ROIPooling", param, [x.shape, (4, 4)])


def test_ps_roi_pooling() -> None:
    x = np.random.default_rng(0).normal(size=(2, 8, 6, 7)).astype(np.float32)
    param = "psroi_pooling_param { output_dim: 2 group_size: 2 spatial_scale: 0.25 }"
    net = make("PSROIPooling", param, [x.shape, ROIS.shape])
    found = net.forward(x0=x, x1=ROIS)["y0"]
    assert_close(found, ps_pool(x, ROIS, 0.25, 2, 2), 1e-5, "pooled")
    ends = np.random.default_rng(1).normal(size=found.shape).astype(np.float32)
    slope = net.backward(y0=ends)["x0"]
    filled = ps_pool(np.ones_like(x), ROIS, 0.25, 2, 2) > 0
    assert slope.sum() == pytest.approx(float(ends[filled].sum()), rel=1e-4)
    with pytest.raises(InputError, match="want 8"):
        make("PSROIPooling", param, [(2, 9, 6, 7), ROIS.shape])


# ---- losses ----


def loss(kind: str, param: str, shapes: list[tuple[int, ...]], values: Arrays) -> tuple[float, Net]:
    net = make(kind, param, shapes)
    found = net.forward(**{f"x{i}": value for i, value in enumerate(values)})["y0"]
    return float(found), net


@pytest.mark.parametrize("norm", ["L1", "L2"])
def test_hinge_loss(norm: str) -> None:
    scores, label = np.array([[0.5, 1, -2], [2, 0.5, -1]]), np.array([0, 2])
    # Margins: of the labels 1 - score, of the others 1 + score.
    margins = np.array([[0.5, 2, 0], [3, 1.5, 2]])
    expected = margins.sum() if norm == "L1" else (margins**2).sum()
    param = f"hinge_loss_param {{ norm: {norm} }}"
    found, net = loss("HingeLoss", param, [(2, 3), (2,)], [scores, label])
    assert found == pytest.approx(expected / 2)
    slope = net.backward()["x0"]
    each = np.where(margins > 0, 1, 0) if norm == "L1" else 2 * margins
    each = each * np.array([[-1, 1, 1], [1, 1, -1]]) / 2
    np.testing.assert_allclose(slope, each, rtol=1e-6)


def test_contrastive_loss() -> None:
    a, b = np.array([[3.0, 4], [0.3, 0.4], [6, 8]]), np.zeros((3, 2))
    alike = np.array([1, 0, 0])
    found, net = loss("ContrastiveLoss", "", [(3, 2), (3, 2), (3,)], [a, b, alike])
    assert found == pytest.approx((25 + 0.5**2 + 0) / 2 / 3)
    slope = net.backward()
    pull = 0.5 / (0.5 + 1e-4)
    expected = np.array([[3, 4], [-0.3 * pull, -0.4 * pull], [0, 0]]) / 3
    np.testing.assert_allclose(slope["x0"], expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(slope["x1"], -expected, rtol=1e-5, atol=1e-7)
    param = "contrastive_loss_param { margin: 2 legacy_version: true }"
    old, _ = loss("ContrastiveLoss", param, [(3, 2), (3, 2), (3,)], [a, b, alike])
    assert old == pytest.approx((25 + 2 - 0.25) / 2 / 3)
    same, net = loss("ContrastiveLoss", "", [(1, 2), (1, 2), (1,)], [a[:1], a[:1], alike[1:2]])
    assert same == pytest.approx(0.5)
    assert not net.backward()["x0"].any()  # no direction, and no NaN


def test_infogain_loss(tmp_path: Path) -> None:
    gain = np.array([[1, 0, 0.5], [0, 2, 0], [0, 0.25, 1]], np.float32)
    scores, label = np.array([[0.5, 0.3, 0.2], [0, 0.9, 0.1]]), np.array([0, 2])
    by_hand = -(math.log(0.5) + 0.5 * math.log(0.2)) - (0.25 * math.log(0.9) + math.log(0.1))
    given, net = loss(
        "InfogainLoss", "", [(2, 3), (2,), (1, 1, 3, 3)], [scores, label, gain[None, None]]
    )
    assert given == pytest.approx(by_hand / 2, rel=1e-5)
    expected = -np.array([[1 / 0.5, 0, 0.5 / 0.2], [0, 0.25 / 0.9, 1 / 0.1]]) / 2
    np.testing.assert_allclose(net.backward()["x0"], expected, rtol=1e-5)
    file = tmp_path / "gain.binaryproto"
    file.write_bytes(to_blob(gain[None, None]).SerializeToString())
    param = f'infogain_loss_param {{ source: "{file}" }}'
    assert loss("InfogainLoss", param, [(2, 3), (2,)], [scores, label])[0] == given
    with pytest.raises(InputError, match="neither a third bottom nor a source"):
        make("InfogainLoss", "", [(2, 3), (2,)])
    with pytest.raises(InputError, match="is not 3x3"):
        make("InfogainLoss", "", [(2, 3), (2,), (2, 2)])
    file.write_bytes(b"no")
    with pytest.raises(InputError, match="matrix"):
        make("InfogainLoss", param, [(2, 3), (2,)])


@pytest.mark.parametrize("gamma", [2.0, 0.0, 1.5])
def test_focal_loss(gamma: float) -> None:
    random = np.random.default_rng(0)
    scores, label = random.normal(size=(4, 3)) * 2, np.array([0, 2, 1, 1])
    p = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    own = p[np.arange(4), label][:, None]
    expected = -0.3 * (1 - own) ** gamma * np.log(own)
    param = f"focal_loss_param {{ alpha: 0.3 gamma: {gamma} }}"
    found, net = loss("FocalLoss", param, [(4, 3), (4,)], [scores, label])
    assert found == pytest.approx(expected.sum() / 4, rel=1e-5)
    # By hand, as the fork's backward has it.
    hot = np.eye(3)[label]
    common = (1 - own) ** gamma
    right = common * (gamma * own * np.log(own) + own - 1)
    less = (1 - own) ** (gamma - 1)
    wrong = less * (-gamma * np.log(own) * own * p) + common * p
    slope = 0.3 * np.where(hot > 0, right, wrong) / 4
    np.testing.assert_allclose(net.backward()["x0"], slope, rtol=1e-4, atol=1e-7)


# ---- a recurrent layer ----


def lstm_twin(
    x: np.ndarray, on: np.ndarray, w: np.ndarray, bias: np.ndarray, u: np.ndarray,
    h: np.ndarray, c: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    steps = []
    for t in range(len(x)):
        gates = x[t] @ w.T + bias + (h * on[t][:, None]) @ u.T
        i, f, o, g = np.split(gates, 4, 1)
        c = on[t][:, None] * sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        steps.append(h)
    return np.array(steps), c


NOISE = 'weight_filler { type: "gaussian" std: 0.5 } bias_filler { type: "gaussian" std: 0.5 }'


def test_lstm() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(3, 2, 4)).astype(np.float32)
    on = np.array([[0, 0], [1, 1], [1, 0]], np.float32)
    net = make("LSTM", f"recurrent_param {{ num_output: 2 {NOISE} }}", [x.shape, on.shape])
    w, bias, u = (blob.data.astype(float) for blob in net.params["it"])
    assert [p.shape for p in (w, bias, u)] == [(8, 4), (8,), (8, 2)]
    empty = np.zeros((2, 2))
    expected, c = lstm_twin(x, on, w, bias, u, empty, empty)
    assert_close(net.forward(x0=x, x1=on)["y0"], expected, 1e-5, "h")
    went_on = np.ones_like(on)  # the state is kept from one batch to the next
    more, _ = lstm_twin(x, went_on, w, bias, u, expected[-1], c)
    assert_close(net.forward(x1=went_on)["y0"], more, 1e-5, "h of the next batch")


def test_lstm_gradients_and_state() -> None:
    random = np.random.default_rng(0)
    values = [
        random.normal(size=shape) for shape in [(3, 2, 2), (3, 2), (2, 3), (1, 2, 2), (1, 2, 2)]
    ]
    values[1] = np.array([[1, 0], [1, 1], [0, 1]], float)
    param = f"recurrent_param {{ num_output: 2 expose_hidden: true {NOISE} }}"
    net = make("LSTM", param, [v.shape for v in values], tops=3)
    arrays = [blob.data.astype(float) for blob in net.params["it"]]
    assert [a.shape for a in arrays] == [(8, 2), (8,), (8, 3), (8, 2)]

    def twin(bottoms: Arrays, params: Arrays) -> list[np.ndarray]:
        x, on, static, h, c = bottoms
        w, bias, s, u = params
        for_all = static @ s.T
        steps, last = [], (h[0], c[0])
        for t in range(len(x)):
            found, cell = lstm_twin(x[t : t + 1], on[t : t + 1], w, bias + for_all, u, *last)
            steps.append(found[0])
            last = found[0], cell
        return [np.array(steps), last[0][None], last[1][None]]

    case: Case = ("LSTM", param, [v.shape for v in values], 3, twin)
    found = net.forward(**{f"x{i}": v for i, v in enumerate(values)})
    for i, theirs in enumerate(twin(values, arrays)):
        assert_close(found[f"y{i}"], theirs, 1e-5, f"y{i}")
    check_case(case)


# ---- what is refused ----


@pytest.mark.parametrize(
    ("kind", "param", "shapes", "sentence"),
    [
        ("Clip", "clip_param { min: 1 }", [X], "no min or no max"),
        ("Clip", "", [X], "no min or no max"),
        ("Clip", "clip_param { min: 1 max: 0 }", [X], "min 1 and max 0"),
        ("Exp", "exp_param { base: 0 }", [X], "its base is 0"),
        ("Exp", "exp_param { base: 10 shift: 999 }", [X], "make no number"),
        ("Log", "log_param { base: 1 }", [X], "base is 1"),
        ("Log", "log_param { base: -2 }", [X], "base is -2"),
        ("Upsample", "upsample_param { scale: 1.5 }", [X], "no whole number"),
        ("Upsample", "upsample_param { scale: 0 }", [X], "above 0"),
        ("Upsample", "upsample_param { scale: 99999 }", [X], "its top would be"),
        ("Upsample", "upsample_param { scale: 2 scale_h: 2 }", [X], "has scale, and scale_h"),
        ("Upsample", "upsample_param { upsample_h: 9 upsample_w: 9 }", [X], "go with a mask"),
        ("Upsample", "", [X, (2, 3, 4, 4)], "another shape"),
        ("Upsample", "", [(2, 3)], "4 axes"),
        ("Interp", "", [X], "neither height and width nor a factor"),
        ("Interp", "interp_param { height: 3 }", [X], "neither height and width nor a factor"),
        ("Interp", "interp_param { height: 3 width: -1 }", [X], "its top would be -1x3"),
        ("Interp", "interp_param { zoom_factor: 0 }", [X], "factors must be above 0"),
        ("Interp", "interp_param { zoom_factor: 2 pad_beg: 1 }", [X], "only crop"),
        ("Interp", "interp_param { zoom_factor: 2 pad_beg: -4 }", [X], "crops all"),
        ("Reorg", "", [X], "no stride"),
        ("Reorg", "reorg_param { stride: 2 }", [X], "does not divide 3 channels"),
        ("Reorg", "reorg_param { stride: 2 }", [(1, 4, 4, 5)], "divide a map of 5x4"),
        ("ShuffleChannel", "shuffle_channel_param { group: 2 }", [X], "divide 3 channels"),
        ("ShuffleChannel", "shuffle_channel_param { group: 0 }", [X], "group 0"),
        ("Axpy", "", [(2, 3, 1, 2), X, X], "one value a channel"),
        ("Axpy", "", [(2, 3), X, (2, 3, 4, 4)], "differ"),
        ("Axpy", "", [(2, 3), X], "has 2 bottoms"),
        ("Tile", "", [X], "no tiles"),
        ("Tile", "tile_param { tiles: 2 axis: 4 }", [X], "has axis 4"),
        ("Reduction", "reduction_param { axis: 5 }", [X], "has axis 5"),
        ("MVN", "", [(2, 3)], "4 axes"),
        ("SPP", "", [X], "pyramid_height is 0"),
        ("SPP", "spp_param { pyramid_height: 4 }", [X], "pads by the whole kernel"),
        ("Im2col", "convolution_param { kernel_size: 9 }", [X], "larger than the padded"),
        ("Embed", "embed_param { num_output: 2 }", [X], "no input_dim"),
        ("HingeLoss", "", [(2, 3), (2, 3)], "6 labels for 2 pictures"),
        ("ContrastiveLoss", "", [(2, 3), (2, 4), (2,)], "vectors of shape"),
        ("LSTM", "recurrent_param { num_output: 2 }", [(3, 2), (2, 3)], "one value a step"),
        ("LSTM", "", [(3, 2), (3, 2)], "no num_output"),
        ("ROIPooling", "", [X, (1, 5)], "no pooled_h"),
    ],
)  # fmt: skip
def test_what_is_refused(
    kind: str, param: str, shapes: list[tuple[int, ...]], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence) as error:
        make(kind, param, shapes)
    assert error.value.where.endswith('(layer "it")')
