"""Layers and nets as ONNX: the original's answers, the embedded engine's, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from support.golden_layers import CASES, golden_layer
from support.nets import write_detector

from ssd_data.core.errors import InputError, UsageError
from ssd_data.engines import load_engine
from ssd_data.engines.onnxruntime import open_session
from ssd_data.engines.openvino import open_net, read_net
from ssd_data.engines.torch.net import Net
from ssd_data.evaluation.compare import compare_engines
from ssd_data.nets.caffemodel import LayerWeights
from ssd_data.nets.graph import Graph, parse_graph
from ssd_data.nets.matching import TrainedNet
from ssd_data.nets.onnx.emit import emit


def through_onnx(
    graph: Graph, layers: list[LayerWeights], value: np.ndarray, blob: str, dynamic: bool = False
) -> np.ndarray:
    """A blob by ONNX Runtime; with a dynamic batch, of the value twice."""
    made = emit(TrainedNet(graph, layers), [blob], value.shape, dynamic=dynamic, reserved=["out"])
    model = made.emission.model({made.input.name: made.input}, {"out": made.blobs[blob]})
    onnx.checker.check_model(model, full_check=True)
    session = open_session(model.SerializeToString())
    if dynamic:
        value = np.concatenate([value, value])
    (result,) = session.run(["out"], {made.input.name: value.astype(np.float32)})
    assert result.shape[1:] == made.blobs[blob].shape[1:]
    return result


@pytest.mark.parametrize("case", CASES)
def test_the_originals_answers(case: str) -> None:
    graph, layers, value, blob, theirs = golden_layer(case)
    ours = through_onnx(graph, layers, value, blob)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * np.abs(theirs).max())


LAYERS = {
    "a window beyond the end": "Pooling:pooling_param { pool: AVE kernel_size: 3 stride: 2 }",
    "average, padded": "Pooling:pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 }",
    "a window that would start in the padding": "Pooling:pooling_param { kernel_size: 2 stride: 2 "
    "pad: 1 }",
    "largest, wide": "Pooling:pooling_param { kernel_h: 2 kernel_w: 3 stride: 2 }",
    "dilated groups": "Convolution:convolution_param { num_output: 8 kernel_size: 3 group: 2 "
    "pad: 2 dilation: 2 stride: 2 }",
    "depthwise": "DepthwiseConvolution:convolution_param { num_output: 4 kernel_size: 3 group: 4 }",
    "transposed": "Deconvolution:convolution_param { num_output: 4 kernel_size: 4 stride: 2 pad: 1 "
    "group: 2 }",
    "six": "ReLU6:",
    "slopes": "PReLU:",
    "one slope": "PReLU:prelu_param { channel_shared: true }",
    "within": "LRN:lrn_param { norm_region: WITHIN_CHANNEL local_size: 3 alpha: 2 }",
    "norm": "Normalize:norm_param { across_spatial: false channel_shared: false }",
    "rows": "Reshape:reshape_param { shape { dim: 0 dim: -1 dim: 4 } }",
    "the last axes": "Flatten:flatten_param { axis: 2 end_axis: -1 }",
    "inner": "InnerProduct:inner_product_param { num_output: 5 axis: 2 transpose: true }",
    "scale of rows": "Scale:scale_param { axis: 2 num_axes: 2 bias_term: true }",
    "bias": "Bias:bias_param { axis: 1 }",
    "statistics": "BatchNorm:batch_norm_param { eps: 0.1 }",
    "power": "Power:power_param { scale: 2 shift: 300 power: 1.5 }",
    "elu": "ELU:elu_param { alpha: 0.5 }",
    "dropout": "Dropout:",
    "moved": "Permute:permute_param { order: 0 order: 3 }",
    "absolute": "AbsVal:",
    "likelihood": "BNLL:",
    "clipped": "Clip:clip_param { min: -0.25 max: 0.5 }",
    "a power": "Exp:exp_param { base: 3 scale: 0.5 shift: 1 }",
    "e's power": "Exp:",
    "logarithms": "Log:log_param { base: 2 scale: 3 shift: 20 }",
    "swish": "Swish:",
    "swish with beta": "Swish:swish_param { beta: 0.5 }",
    "hard sigmoid": "HardSigmoid:",
    "hard sigmoid with a slope": "HardSigmoid:hard_sigmoid_param { alpha: 0.4 beta: 0.3 }",
    "hard swish": "HardSwish:",
    "mish": "Mish:",
    "above": "Threshold:threshold_param { threshold: 0.3 }",
    "each twice": "Upsample:upsample_param { scale: 2 }",
    "rows thrice": "Upsample:upsample_param { scale_h: 3 scale_w: 1 }",
    "each twice, half": "Upsample:upsample_param { scale: 0.5 stride: 2 }",
    "in between": "Interp:interp_param { height: 5 width: 11 }",
    "every second": "Interp:interp_param { shrink_factor: 2 }",
    "zoomed": "Interp:interp_param { zoom_factor: 3 pad_beg: -1 pad_end: -2 }",
    "cropped alone": "Interp:interp_param { height: 6 width: 5 pad_beg: -1 pad_end: -1 }",
    "larger": "Reorg:reorg_param { stride: 2 reverse: true }",
    "shuffled": "ShuffleChannel:shuffle_channel_param { group: 2 }",
    "sums": "Reduction:reduction_param { axis: 2 coeff: 2 }",
    "sums of absolute values": "Reduction:reduction_param { operation: ASUM axis: 1 }",
    "sums of squares": "Reduction:reduction_param { operation: SUMSQ axis: -1 }",
    "means": "Reduction:reduction_param { operation: MEAN axis: 1 }",
    "deviations": "MVN:",
    "deviations of all": "MVN:mvn_param { across_channels: true eps: 0.1 }",
    "from the mean": "MVN:mvn_param { normalize_variance: false }",
    "tiles": "Tile:tile_param { axis: 2 tiles: 3 }",
    "a pyramid": "SPP:spp_param { pyramid_height: 3 }",
    "a pyramid of averages": "SPP:spp_param { pyramid_height: 2 pool: AVE }",
}  # fmt: skip


# As OpenVINO reads them, too: of ReduceL1 it passes over the axes, of an LRN it cuts k.
READ = LAYERS | {
    "sums of absolute values, two axes": "Reduction:reduction_param { operation: ASUM axis: 2 }",
    "a k between": "LRN:lrn_param { local_size: 3 alpha: 2 beta: 0.5 k: 1.5 }",
    "a small k": "LRN:lrn_param { local_size: 3 alpha: 0.5 k: 0.25 }",
}


def one_layer(case: str) -> tuple[Graph, Net, np.ndarray]:
    """A layer with drawn arrays, and its input."""
    kind, _, rest = READ[case].partition(":")
    graph = parse_graph(
        'layer { name: "data" type: "Input" top: "data" '
        "input_param { shape { dim: 1 dim: 4 dim: 8 dim: 7 } } }"
        f'layer {{ name: "x" type: "{kind}" bottom: "data" top: "x" {rest} }}'
    )
    net, random = Net(graph), np.random.default_rng(1)
    for blob in (b for blobs in net.params.values() for b in blobs):
        blob.data[...] = random.uniform(0.5, 1.5, blob.shape)
    return graph, net, random.normal(size=(1, 4, 8, 7)).astype(np.float32)


@pytest.mark.parametrize("case", READ)
def test_the_same_by_openvino(case: str) -> None:
    pytest.importorskip("openvino")
    graph, net, value = one_layer(case)
    theirs = net.forward(data=value)["x"]
    made = emit(TrainedNet(graph, net.weights()), ["x"], value.shape, reserved=["out"])
    model = made.emission.model({made.input.name: made.input}, {"out": made.blobs["x"]})
    (ours,) = open_net(read_net(model.SerializeToString()), ["out"])(value)
    assert ours.size == theirs.size
    np.testing.assert_allclose(
        ours.reshape(theirs.shape), theirs, rtol=0, atol=2e-5 * np.abs(theirs).max()
    )


@pytest.mark.parametrize("case", READ)
@pytest.mark.parametrize("dynamic", [False, True])
def test_the_embedded_engines_answers(case: str, dynamic: bool) -> None:
    graph, net, value = one_layer(case)
    theirs = net.forward(data=value)["x"]
    ours = through_onnx(graph, net.weights(), value, "x", dynamic)
    assert ours.shape == ((2 if dynamic else 1), *theirs.shape[1:])
    for own in ours:
        np.testing.assert_allclose(own, theirs[0], rtol=0, atol=1e-5 * np.abs(theirs).max())


@pytest.mark.parametrize(
    ("kind", "shape", "bottoms", "rest"),
    [
        ("Reorg", (1, 4, 4, 6), [""], "reorg_param { stride: 2 }"),
        ("Axpy", (2, 3, 1, 1), ["", "map", "map"], ""),
        ("Axpy", (2, 3), ["", "map", "map"], ""),
        ("Embed", (2, 3), [""], "embed_param { input_dim: 9 num_output: 4 }"),
        ("Reduction", (2, 3, 4, 5), [""], ""),
        ("Tile", (2, 3), [""], "tile_param { axis: 0 tiles: 2 }"),
        ("ROIPooling", (4, 5), ["map", ""],
         "roi_pooling_param { pooled_h: 2 pooled_w: 3 spatial_scale: 0.5 }"),
    ],
)  # fmt: skip
def test_layers_of_other_bottoms(
    kind: str, shape: tuple[int, ...], bottoms: list[str], rest: str
) -> None:
    """Beside the input what the net itself holds: a learned map."""
    names = " ".join(f'bottom: "{name or "data"}"' for name in bottoms)
    graph = net(
        'layer { name: "map" type: "Parameter" top: "map" '
        "parameter_param { shape { dim: 2 dim: 3 dim: 6 dim: 7 } } }",
        f'layer {{ name: "x" type: "{kind}" {names} top: "x" {rest} }}',
        shape=shape,
    )
    made, random = Net(graph), np.random.default_rng(2)
    for blob in (b for blobs in made.params.values() for b in blobs):
        blob.data[...] = random.normal(size=blob.shape)
    value = random.integers(0, 9, shape).astype(np.float32)
    if kind == "ROIPooling":
        value[:, 0] %= 2
        value[:, 3:] += value[:, 1:3]
    theirs = made.forward(data=value)["x"]
    ours = through_onnx(graph, made.weights(), value, "x")
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * np.abs(theirs).max())


@pytest.mark.parametrize(
    "rest", ["operation: SUM coeff: 2 coeff: -1 coeff: 1", "operation: MAX", "operation: PROD"]
)
def test_eltwise(rest: str) -> None:
    graph = net(
        'layer { name: "p" type: "Power" bottom: "data" top: "p" power_param { power: 2 } }',
        'layer { name: "e" type: "Eltwise" bottom: "data" bottom: "p" bottom: "data" top: "e" '
        f"eltwise_param {{ {rest} }} }}",
    )
    value = np.random.default_rng(0).normal(size=(1, 4, 8, 8)).astype(np.float32)
    theirs = Net(graph).forward(data=value)["e"]
    np.testing.assert_allclose(through_onnx(graph, [], value, "e"), theirs, atol=1e-5)


def net(*layers: str, shape: tuple[int, ...] = (1, 4, 8, 8)) -> Graph:
    dims = " ".join(f"dim: {n}" for n in shape)
    return parse_graph(
        f'layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ {dims} }} }} }}\n'
        + "\n".join(layers),
        origin="net.prototxt",
    )


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        ('type: "Relu"', 'a layer of type "Relu" cannot be written as ONNX'),
        ('type: "ArgMax"', "cannot be written"),
        ('type: "Convolution" convolution_param { num_output: 4 kernel_size: 3 }', "no arrays"),
        ('type: "Convolution" convolution_param { num_output: 4 }', "kernel"),
        (
            'type: "Pooling" pooling_param { kernel_size: 4000000000 }',
            "a window would hold nothing",
        ),
        ('type: "Pooling" pooling_param { kernel_size: 1 stride: 5 }', "would hold nothing"),
        ('type: "Reshape" reshape_param { shape { dim: 0 dim: -1 dim: 7 } }', "do not fill"),
        ('type: "Reshape" reshape_param { shape { dim: -2 } }', "has shape"),
        ('type: "Permute" permute_param { order: 9 }', "has order"),
        ('type: "Flatten" flatten_param { axis: 9 }', "axis 9"),
        ('type: "Slice" slice_param { axis: 1 slice_point: 9 }', "slice points"),
        ('type: "BatchNorm" batch_norm_param { use_global_stats: false }', "own statistics"),
        ('type: "PriorBox" prior_box_param { min_size: -1 }', "positive"),
        ('type: "Filter" bottom: "data"', "cannot be written"),
        ('type: "Pooling" top: "mask" pooling_param { kernel_size: 2 }', "its mask"),
        ('type: "Upsample" bottom: "data"', "by a mask"),
        ('type: "Reorg" reorg_param { stride: 3 }', "does not divide 4 channels"),
        ('type: "Clip"', "no min or no max"),
    ],
)
def test_what_is_refused(layer: str, said: str) -> None:
    graph = net(f'layer {{ name: "odd" {layer} bottom: "data" top: "odd" }}')
    with pytest.raises(InputError) as caught:
        emit(TrainedNet(graph, []), ["odd"], (1, 4, 8, 8))
    assert said in caught.value.what
    assert caught.value.where == 'net.prototxt:2 (layer "odd")'


def test_absurd_sizes_take_no_memory() -> None:
    text = 'layer { name: "p" type: "PriorBox" bottom: "data" top: "p" '
    text += "prior_box_param { min_size: 1 } }"
    with pytest.raises(InputError, match="larger than this package takes"):
        emit(TrainedNet(net(text), []), ["p"], (1, 1, 1 << 20, 1 << 20))


def test_a_batch_that_a_net_fixes_cannot_be_dynamic() -> None:
    graph = net(
        'layer { name: "r" type: "Reshape" bottom: "data" top: "r" '
        "reshape_param { shape { dim: 1 dim: -1 } } }"
    )
    emit(TrainedNet(graph, []), ["r"], (1, 4, 8, 8))
    with pytest.raises(InputError, match="dynamic"):
        emit(TrainedNet(graph, []), ["r"], (1, 4, 8, 8), dynamic=True)


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_detector(tmp_path_factory.mktemp("detector"))


def test_the_engine(detector: tuple[Path, Path]) -> None:
    engines = [load_engine(name, *detector, device="cpu") for name in ("torch", "onnxruntime")]
    random = np.random.default_rng(0)
    shapes = [(1, 3, 64, 64), (3, 3, 64, 64), (1, 3, 96, 80)]
    batches = [random.uniform(-1, 1, shape).astype(np.float32) for shape in shapes]
    (difference,) = compare_engines(engines, batches)
    assert difference.compared > 50
    assert difference.within(1e-5)


def test_nothing_found_is_a_row_a_picture(detector: tuple[Path, Path]) -> None:
    engine = load_engine("onnxruntime", *detector, threshold=2.0)
    (rows,) = engine.forward(np.zeros((2, 3, 64, 64), np.float32)).values()
    assert rows[0, 0, :, :2].tolist() == [[0, -1], [1, -1]]


def test_what_the_engine_refuses(detector: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="on the CPU"):
        load_engine("onnxruntime", *detector, half=True)
    deploy, weights = tmp_path / "deploy.prototxt", detector[1]
    deploy.write_text(detector[0].read_text().replace("num_classes: 3", "num_classes: 4"))
    with pytest.raises(InputError, match="4 classes want"):
        load_engine("onnxruntime", deploy, weights)


def test_a_trained_net(shared: Path) -> None:
    folder = shared / "models" / "sfd_mobilenetv2_mod11j"
    files = folder / "deploy.prototxt", folder / "wider_iter_90000.caffemodel"
    engines = [load_engine(name, *files, device="cpu") for name in ("torch", "onnxruntime")]
    batch = np.random.default_rng(0).uniform(-120, 130, (1, 3, 320, 320)).astype(np.float32)
    (difference,) = compare_engines(engines, [batch])
    assert difference.compared > 100
    assert difference.within(1e-4)
