"""ONNX graphs as LiteRT's files: the original's answers, the embedded engine's, and what is
refused."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from support.golden_layers import CASES, golden_layer

from ssd_data.core.errors import InputError
from ssd_data.engines.torch.net import Net
from ssd_data.nets.caffemodel import LayerWeights
from ssd_data.nets.graph import Graph, parse_graph
from ssd_data.nets.matching import TrainedNet
from ssd_data.nets.onnx.emit import emit

pytest.importorskip("ai_edge_litert")
from ssd_data.engines.litert import open_interpreter, open_net
from ssd_data.nets.tflite.translate import to_tflite


def through_litert(
    graph: Graph, layers: list[LayerWeights], value: np.ndarray, blob: str
) -> np.ndarray:
    """A blob by LiteRT."""
    made = emit(TrainedNet(graph, layers), [blob], value.shape, reserved=["out"])
    model = made.emission.model({made.input.name: made.input}, {"out": made.blobs[blob]})
    (result,) = open_net(to_tflite(model), ["out"])(value.astype(np.float32))
    assert result.shape == made.blobs[blob].shape
    return result


@pytest.mark.parametrize("case", CASES)
def test_the_originals_answers(case: str) -> None:
    graph, layers, value, blob, theirs = golden_layer(case)
    ours = through_litert(graph, layers, value, blob)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * np.abs(theirs).max())


# Kernels, strides and padding, even and odd: LiteRT knows SAME and VALID alone.
WINDOWS = [
    f"{kind} kernel_size: {kernel} stride: {stride} pad: {pad} }}"
    for kind in (
        "Convolution:convolution_param { num_output: 3",
        "Convolution:convolution_param { num_output: 8 group: 4",
        "Deconvolution:convolution_param { num_output: 8 group: 2",
        "Pooling:pooling_param { pool: MAX",
        "Pooling:pooling_param { pool: AVE",
    )
    for kernel, stride, pad in (
        (1, 1, 0), (1, 2, 0), (2, 2, 0), (2, 2, 1), (3, 1, 1), (3, 2, 0), (3, 2, 1), (3, 3, 1),
        (5, 2, 2), (4, 2, 1),
    )
    if "Pooling" not in kind or kernel >= stride
]  # fmt: skip
LAYERS = [
    *WINDOWS,
    "Convolution:convolution_param { num_output: 8 kernel_size: 3 group: 2 pad: 2 dilation: 2 }",
    "Convolution:convolution_param { num_output: 8 kernel_size: 3 group: 4 pad: 2 dilation: 2 }",
    "Convolution:convolution_param { num_output: 2 kernel_h: 1 kernel_w: 3 pad_w: 1 stride_h: 2 "
    "stride_w: 1 }",
    "Convolution:convolution_param { num_output: 2 kernel_size: 3 bias_term: false }",
    "Deconvolution:convolution_param { num_output: 4 kernel_size: 3 stride: 2 dilation: 2 }",
    "Pooling:pooling_param { pool: AVE global_pooling: true }",
    "Pooling:pooling_param { pool: MAX global_pooling: true }",
    "ReLU:", "ReLU:relu_param { negative_slope: 0.1 }", "ReLU6:", "Sigmoid:", "TanH:",
    "ELU:", "ELU:elu_param { alpha: 0.5 }", "PReLU:", "PReLU:prelu_param { channel_shared: true }",
    "LRN:lrn_param { local_size: 3 alpha: 2 k: 0.5 }",
    "LRN:lrn_param { norm_region: WITHIN_CHANNEL local_size: 3 alpha: 2 }",
    "Normalize:norm_param { across_spatial: false channel_shared: false }",
    "Normalize:norm_param { across_spatial: true channel_shared: true }",
    "Reshape:reshape_param { shape { dim: 0 dim: -1 dim: 4 } }",
    "Flatten:", "Flatten:flatten_param { axis: 2 end_axis: -1 }",
    "InnerProduct:inner_product_param { num_output: 5 }",
    "InnerProduct:inner_product_param { num_output: 5 axis: 2 transpose: true bias_term: false }",
    "Scale:scale_param { axis: 2 num_axes: 2 bias_term: true }", "Bias:bias_param { axis: 1 }",
    "BatchNorm:batch_norm_param { eps: 0.1 }",
    "Power:power_param { scale: 2 shift: 300 power: 1.5 }", "Dropout:",
    "Softmax:", "Softmax:softmax_param { axis: 2 }", "Softmax:softmax_param { axis: 3 }",
    "AbsVal:", "BNLL:", "Swish:", "HardSigmoid:", "HardSwish:", "Mish:", "MVN:",
    "Exp:exp_param { scale: 0.5 }", "Log:log_param { shift: 10 }",
    "Clip:clip_param { min: -0.5 max: 0.7 }", "Upsample:upsample_param { scale: 2 }",
    "Upsample:upsample_param { scale: 3 }", "Interp:interp_param { height: 17 width: 13 }",
    "ShuffleChannel:shuffle_channel_param { group: 2 }", "Tile:tile_param { tiles: 3 }",
    "Permute:permute_param { order: 0 order: 3 }", "Permute:permute_param { order: 0 order: 2 }",
]  # fmt: skip


@pytest.mark.parametrize("case", LAYERS)
@pytest.mark.parametrize("size", [(9, 7), (8, 6)])
def test_the_embedded_engines_answers(case: str, size: tuple[int, int]) -> None:
    kind, _, rest = case.partition(":")
    graph = net(f'layer {{ name: "x" type: "{kind}" bottom: "data" top: "x" {rest} }}', size)
    check(graph, "x", size)


def net(layers: str, size: tuple[int, int] = (9, 7)) -> Graph:
    return parse_graph(
        'layer { name: "data" type: "Input" top: "data" input_param { shape '
        f"{{ dim: 1 dim: 4 dim: {size[0]} dim: {size[1]} }} }} }}\n{layers}",
        origin="net.prototxt",
    )


def check(graph: Graph, blob: str, size: tuple[int, int] = (9, 7), batch: int = 1) -> None:
    ours, random = Net(graph), np.random.default_rng(1)
    for one in (b for blobs in ours.params.values() for b in blobs):
        one.data[...] = random.uniform(0.5, 1.5, one.shape)
    value = random.normal(size=(batch, 4, *size)).astype(np.float32)
    ours.blobs["data"].reshape(*value.shape)
    theirs = ours.forward(data=value)[blob]
    found = through_litert(graph, ours.weights(), value, blob)
    np.testing.assert_allclose(found, theirs, rtol=0, atol=1e-5 * np.abs(theirs).max())


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 2, 3, 1), (0, 3, 1, 2), (0, 1, 3, 2)])
@pytest.mark.parametrize("after", ["Softmax", "Flatten", "Concat", "Slice", "Scale", "Eltwise"])
def test_axes_in_any_order(order: tuple[int, ...], after: str) -> None:
    """What is only renamed by a Permute is found by what reads it."""
    turn = "permute_param { " + " ".join(f"order: {i}" for i in order) + " }"
    second = 'bottom: "other"' if after in ("Concat", "Eltwise") else ""
    tops = 'top: "y" top: "z"' if after == "Slice" else 'top: "y"'
    rest = "slice_param { axis: 2 slice_point: 2 }" if after == "Slice" else ""
    rest = "concat_param { axis: 2 }" if after == "Concat" else rest
    graph = net(
        f'layer {{ name: "p" type: "Permute" bottom: "data" top: "p" {turn} }}'
        'layer { name: "o" type: "Power" bottom: "data" top: "o" power_param { scale: 2 } }'
        'layer { name: "other" type: "Permute" bottom: "o" top: "other" '
        f"{turn} }}"
        f'layer {{ name: "y" type: "{after}" bottom: "p" {second} {tops} {rest} }}'
    )
    check(graph, "y", batch=2)


def test_a_relu_is_done_within_only_where_nothing_else_reads_what_it_reads() -> None:
    conv = "convolution_param { num_output: 4 kernel_size: 1 }"
    text = f'layer {{ name: "c" type: "Convolution" bottom: "data" top: "c" {conv} }}'
    text += 'layer { name: "r" type: "ReLU" bottom: "c" top: "r" relu_param { } }'
    both = 'layer { name: "y" type: "Eltwise" bottom: "c" bottom: "r" top: "y" }'
    check(net(text), "r")
    check(net(text + both), "y")
    made = emit(TrainedNet(net(text), [LayerWeights("c", "", [np.ones((4, 4, 1, 1)), np.ones(4)])]),
                ["r"], (1, 4, 9, 7), reserved=["out"])  # fmt: skip
    model = made.emission.model({made.input.name: made.input}, {"out": made.blobs["r"]})
    operators = open_interpreter(to_tflite(model))._get_ops_details()
    assert [one["op_name"] for one in operators if one["op_name"] != "DELEGATE"][:1] == ["CONV_2D"]
    assert "RELU" not in {one["op_name"] for one in operators}


@pytest.mark.parametrize("after", ["ReLU", "ReLU6"])
@pytest.mark.parametrize(
    "layer",
    [
        'type: "Concat" bottom: "data"',
        'type: "Convolution" convolution_param { num_output: 4 kernel_size: 3 }',
        'type: "Convolution" convolution_param { num_output: 8 kernel_size: 3 group: 4 }',
        'type: "Deconvolution" convolution_param { num_output: 3 kernel_size: 3 stride: 2 }',
        'type: "InnerProduct" inner_product_param { num_output: 5 }',
        'type: "Pooling" pooling_param { kernel_size: 2 stride: 1 }',
        'type: "Pooling" pooling_param { pool: AVE kernel_size: 2 stride: 1 }',
        'type: "Scale" scale_param { bias_term: false }',
        'type: "Bias"',
        'type: "Eltwise" bottom: "data"',
        'type: "Eltwise" bottom: "data" eltwise_param { operation: PROD }',
        'type: "Eltwise" bottom: "data" eltwise_param { operation: MAX }',
        'type: "Upsample" upsample_param { scale: 2 }',
        'type: "Softmax"',
    ],
)
def test_an_activation_behind_anything(layer: str, after: str) -> None:
    text = f'layer {{ name: "x" bottom: "data" top: "x" {layer} }}'
    check(net(text + f'layer {{ name: "r" type: "{after}" bottom: "x" top: "x" }}'), "x")


def test_buffers_begin_at_multiples_of_sixteen() -> None:
    from ai_edge_litert import schema_py_generated as schema

    file = to_tflite(one_node("Add", [7.0]))
    held = schema.Model.GetRootAs(file, 0)
    for i in range(held.BuffersLength()):
        buffer = held.Buffers(i)
        if buffer.DataLength():
            place = buffer._tab.Vector(buffer._tab.Offset(4))
            assert place % 16 == 0


def one_node(
    operator: str, constant: list[float], shape: tuple[int, ...] = (1, 2)
) -> onnx.ModelProto:
    value = helper.make_tensor("c", TensorProto.FLOAT, [len(constant)], constant)
    nodes = [helper.make_node(operator, ["x", "c"], ["within"], "node")]
    nodes.append(helper.make_node("Identity", ["within"], ["y"], "y"))
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 2]) for n in "xy"]
    return helper.make_model(helper.make_graph(nodes, "g", ends[:1], ends[1:], [value]))


def test_what_is_not_known_is_named() -> None:
    model = one_node("BitShift", [1.0])
    with pytest.raises(InputError, match="ONNX's BitShift, by which"):
        to_tflite(model)


def test_weights_too_large_for_half_precision_are_refused() -> None:
    text = 'layer { name: "c" type: "Convolution" bottom: "data" top: "c" '
    text += "convolution_param { num_output: 1 kernel_size: 1 bias_term: false } }"
    trained = TrainedNet(net(text), [LayerWeights("c", "", [np.full((1, 4, 1, 1), 1e6)])])
    made = emit(trained, ["c"], (1, 4, 9, 7), reserved=["out"])
    model = made.emission.model({made.input.name: made.input}, {"out": made.blobs["c"]})
    with pytest.raises(InputError, match="too large for half precision"):
        to_tflite(model, half=True)
