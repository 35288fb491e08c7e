"""ncnn and MNN: the original's answers, the embedded engine's, and what they refuse."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from support.golden_layers import CASES, golden_layer
from support.nets import write_detector

from ssd_data.core.errors import InputError, UsageError
from ssd_data.engines import Engine, load_engine
from ssd_data.engines.mnn import Mnn, convert
from ssd_data.engines.ncnn import Ncnn, NcnnFiles
from ssd_data.engines.torch.net import Net
from ssd_data.evaluation.compare import compare_engines
from ssd_data.nets.caffemodel import LayerWeights
from ssd_data.nets.graph import Graph, parse_graph
from ssd_data.nets.matching import TrainedNet
from ssd_data.nets.ncnn.model import NcnnLayer, NcnnModel

pytest.importorskip("ncnn")
pytest.importorskip("MNN")
TILES = 5e-6  # of the largest value
ENGINES = {"ncnn": Ncnn, "mnn": Mnn}
both = pytest.mark.parametrize("name", ENGINES)


def through(name: str, graph: Graph, layers: list[LayerWeights], value: np.ndarray) -> np.ndarray:
    (output,) = (engine := ENGINES[name](TrainedNet(graph, layers))).outputs
    return engine.forward(value.astype(np.float32))[output]


@both
@pytest.mark.parametrize("case", CASES)
def test_the_originals_answers(case: str, name: str) -> None:
    graph, layers, value, _, theirs = golden_layer(case)
    ours = through(name, graph, layers, value)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-5 * np.abs(theirs).max())


LAYERS = {
    "a window beyond the end": "Pooling:pooling_param { pool: AVE kernel_size: 3 stride: 2 }",
    "average, padded": "Pooling:pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 }",
    "starts in the padding": "Pooling:pooling_param { kernel_size: 2 stride: 2 pad: 1 }",
    "largest, wide": "Pooling:pooling_param { kernel_h: 2 kernel_w: 3 stride: 2 }",
    "leaves some out": "Pooling:pooling_param { kernel_size: 2 stride: 3 }",
    "the whole": "Pooling:pooling_param { pool: AVE global_pooling: true }",
    "dilated groups": "Convolution:convolution_param { num_output: 8 kernel_size: 3 group: 2 "
    "pad: 2 dilation: 2 stride: 2 }",
    "wide": "Convolution:convolution_param { num_output: 3 kernel_h: 1 kernel_w: 3 pad_h: 0 "
    "pad_w: 1 stride_h: 2 stride_w: 1 bias_term: false }",
    "depthwise": "DepthwiseConvolution:convolution_param { num_output: 4 kernel_size: 3 group: 4 }",
    "transposed": "Deconvolution:convolution_param { num_output: 4 kernel_size: 4 stride: 2 pad: 1 "
    "group: 2 }",
    "transposed, one group": "Deconvolution:convolution_param { num_output: 3 kernel_size: 2 "
    "stride: 2 }",
    "six": "ReLU6:",
    "leaky": "ReLU:relu_param { negative_slope: 0.25 }",
    "slopes": "PReLU:",
    "one slope": "PReLU:prelu_param { channel_shared: true }",
    "within": "LRN:lrn_param { norm_region: WITHIN_CHANNEL local_size: 3 alpha: 2 }",
    "across": "LRN:lrn_param { local_size: 3 alpha: 2 beta: 0.5 k: 1.5 }",
    "norm": "Normalize:norm_param { across_spatial: false channel_shared: false }",
    "norm of all": "Normalize:norm_param { across_spatial: true channel_shared: true }",
    "rows": "Reshape:reshape_param { shape { dim: 0 dim: -1 dim: 4 } }",
    "five axes": "Reshape:reshape_param { shape { dim: 0 dim: 2 dim: 2 dim: 8 dim: 7 } }",
    "the last axes": "Flatten:flatten_param { axis: 2 end_axis: -1 }",
    "inner": "InnerProduct:inner_product_param { num_output: 5 transpose: true }",
    "scale of rows": "Scale:scale_param { axis: 2 num_axes: 2 bias_term: true }",
    "scale of channels": "Scale:scale_param { bias_term: true }",
    "bias": "Bias:bias_param { axis: 1 }",
    "statistics": "BatchNorm:batch_norm_param { eps: 0.1 }",
    "power": "Power:power_param { scale: 2 shift: 300 power: 1.5 }",
    "line": "Power:power_param { scale: 2 shift: -6 }",
    "elu": "ELU:elu_param { alpha: 0.5 }",
    "dropout": "Dropout:",
    "darknet's larger map": "Reorg:reorg_param { stride: 2 reverse: true }",
    "deviations": "MVN:mvn_param { eps: 1e-3 }",
    "deviations of all": "MVN:mvn_param { across_channels: true eps: 0.1 }",
    "from the mean": "MVN:mvn_param { normalize_variance: false }",
    **{
        f"order {order}": "Permute:permute_param { order: 0 "
        + " ".join(f"order: {axis}" for axis in order)
        + " }"
        for order in ("132", "213", "231", "312", "321")
    },
    "softmax of channels": "Softmax:",
    "between": "Clip:clip_param { min: -0.5 max: 0.25 }",
    "a power of 3": "Exp:exp_param { base: 3 scale: 0.5 shift: 1 }",
    "e's own power": "Exp:",
    "logarithms of base 2": "Log:log_param { base: 2 scale: 3 shift: 20 }",
    "swish": "Swish:",
    "swish with beta": "Swish:swish_param { beta: 0.5 }",
    "hard sigmoid": "HardSigmoid:hard_sigmoid_param { alpha: 0.4 beta: 0.3 }",
    "hard swish": "HardSwish:",
    "mish": "Mish:",
    "each twice": "Upsample:upsample_param { scale: 2 }",
    "rows thrice": "Upsample:upsample_param { scale_h: 3 scale_w: 1 }",
    "each twice, half": "Upsample:upsample_param { scale: 0.5 stride: 2 }",
    "in between": "Interp:interp_param { height: 5 width: 11 }",
    "every second": "Interp:interp_param { shrink_factor: 2 }",
    "zoomed": "Interp:interp_param { zoom_factor: 3 pad_beg: -1 pad_end: -2 }",
    "cropped alone": "Interp:interp_param { height: 6 width: 5 pad_beg: -1 pad_end: -1 }",
    "shuffled": "ShuffleChannel:shuffle_channel_param { group: 2 }",
    "softmax of columns": "Softmax:softmax_param { axis: -1 }",
}  # fmt: skip


def one_layer(rest: str, shape: tuple[int, ...] = (1, 4, 8, 7)) -> Graph:
    kind, _, rest = rest.partition(":")
    dims = " ".join(f"dim: {n}" for n in shape)
    return parse_graph(
        f'layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ {dims} }} }} }}\n'
        f'layer {{ name: "x" type: "{kind}" bottom: "data" top: "x" {rest} }}',
        origin="net.prototxt",
    )


def same_as_the_embedded(graph: Graph, name: str, blobs: int = 1) -> None:
    net, random = Net(graph), np.random.default_rng(1)
    for blob in (b for own in net.params.values() for b in own):
        blob.data[...] = random.uniform(0.5, 1.5, blob.shape)
    value = random.normal(size=graph.input_shape()).astype(np.float32)
    theirs = net.forward(data=value)
    engine: Engine = ENGINES[name](TrainedNet(graph, net.weights()))
    ours = engine.forward(np.concatenate([value, value * 0.5]))
    assert len(ours) == blobs
    for blob, found in ours.items():
        assert found.shape == (2, *theirs[blob].shape[1:])
        most = np.abs(theirs[blob]).max()
        np.testing.assert_allclose(found[:1], theirs[blob], rtol=0, atol=2e-5 * most)


@both
@pytest.mark.parametrize("case", LAYERS)
def test_the_embedded_engines_answers(case: str, name: str) -> None:
    same_as_the_embedded(one_layer(LAYERS[case]), name)


WIRED = {
    "sum": 'layer {{ name: "p" type: "Power" bottom: "data" top: "p" power_param {{ power: 2 }} }}'
    'layer {{ name: "e" type: "Eltwise" bottom: "data" bottom: "p" bottom: "data" top: "e" '
    "eltwise_param {{ operation: SUM coeff: 2 coeff: -1 coeff: 1 }} }}",
    "largest": 'layer {{ name: "p" type: "Power" bottom: "data" top: "p" '
    'power_param {{ scale: 2 }} }} layer {{ name: "e" type: "Eltwise" bottom: "data" bottom: "p" '
    'top: "e" eltwise_param {{ operation: MAX }} }}',
    "two ends": 'layer {{ name: "s" type: "Slice" bottom: "data" top: "a" top: "b" '
    "slice_param {{ slice_point: 1 }} }}",
    "cut and joined": 'layer {{ name: "s" type: "Slice" bottom: "data" top: "a" top: "b" '
    'slice_param {{ axis: 2 }} }} layer {{ name: "c" type: "Concat" bottom: "b" bottom: "a" '
    'bottom: "b" top: "c" concat_param {{ axis: 3 }} }}',
    "in place twice": 'layer {{ name: "r" type: "ReLU" bottom: "data" top: "data" }}'
    'layer {{ name: "t" type: "TanH" bottom: "data" top: "data" }}'
    'layer {{ name: "u" type: "Power" bottom: "data" top: "u" power_param {{ shift: 1 }} }}',
    "a map by its channels": 'layer {{ name: "g" type: "Pooling" bottom: "data" top: "g" '
    'pooling_param {{ pool: AVE global_pooling: true }} }} layer {{ name: "f" type: "Flatten" '
    'bottom: "g" top: "f" }} layer {{ name: "s" type: "Scale" bottom: "data" bottom: "f" top: "s" '
    "scale_param {{ axis: 0 }} }}",
    "an activation that another reads beside": 'layer {{ name: "c" type: "Convolution" '
    'bottom: "data" top: "c" convolution_param {{ num_output: 4 kernel_size: 1 }} }}'
    'layer {{ name: "r" type: "ReLU" bottom: "c" top: "r" }}'
    'layer {{ name: "e" type: "Eltwise" bottom: "c" bottom: "r" top: "e" }}',
    "a sum weighed by channels": 'layer {{ name: "g" type: "Pooling" bottom: "data" top: "g" '
    'pooling_param {{ pool: AVE global_pooling: true }} }} layer {{ name: "a" type: "Axpy" '
    'bottom: "g" bottom: "data" bottom: "data" top: "a" }}',
    "cropped": 'layer {{ name: "p" type: "Pooling" bottom: "data" top: "p" pooling_param '
    '{{ kernel_size: 3 stride: 2 }} }} layer {{ name: "x" type: "Crop" bottom: "data" bottom: "p" '
    'top: "x" crop_param {{ offset: 1 offset: 2 }} }}',
}


@both
@pytest.mark.parametrize("case", WIRED)
def test_several_layers(case: str, name: str) -> None:
    start = 'layer { name: "data" type: "Input" top: "data" '
    start += "input_param { shape { dim: 1 dim: 4 dim: 8 dim: 8 } } }"
    graph = parse_graph(start + WIRED[case].replace("{{", "{").replace("}}", "}"))
    same_as_the_embedded(graph, name, 2 if case == "two ends" else 1)


def test_mnn_computes_by_small_tiles() -> None:
    """By large ones, its default, this is off by more than 1e-5 of the largest value."""
    rest = "convolution_param { num_output: 64 kernel_size: 3 pad: 1 bias_term: false }"
    graph = one_layer(f"Convolution:{rest}", (1, 64, 48, 48))
    random = np.random.default_rng(0)
    layers = [LayerWeights("x", "", [random.normal(size=(64, 64, 3, 3)).astype(np.float32)])]
    value = random.normal(size=(1, 64, 48, 48)).astype(np.float32)
    ours, theirs = (through(name, graph, layers, value) for name in ("mnn", "ncnn"))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=TILES * np.abs(theirs).max())


def test_numbers_are_exact_in_ncnns_text() -> None:
    """It reads 15 letters, and no more than 9 digits behind the point."""
    random = np.random.default_rng(0)
    bits = random.integers(0, 1 << 32, 1000, dtype=np.uint32).view(np.float32)
    for value in [*bits[np.isfinite(bits)], np.finfo(np.float32).min, np.float32(0.1), 0.0]:
        layer = NcnnLayer("ReLU", "x", ["a"], ["b"], {0: float(value)})
        text = layer.line().rpartition("=")[2]
        assert np.float32(text) == np.float32(value)
        assert len(text) <= 15
        assert "." in text


@pytest.mark.parametrize("half", [False, True])
def test_weights_are_filled_up_to_four_bytes(half: bool, tmp_path: Path) -> None:
    weight, bias = np.array([1, 2, 3], np.float32), np.array([0.1], np.float32)
    layers = [
        NcnnLayer("Input", "data", [], ["data"], {0: 2, 1: 2, 2: 3}),
        NcnnLayer("Convolution", "x", ["data"], ["x"], {0: 1, 1: 1, 5: 1, 6: 3}, weight, [bias]),
    ]
    model = NcnnModel(layers)
    (tmp_path / "net.param").write_text(model.text())
    (tmp_path / "net.bin").write_bytes(model.data(half))
    found = NcnnFiles(tmp_path).run(np.ones((3, 2, 2), np.float32), "data", ["x"])["x"]
    np.testing.assert_allclose(found, np.full((1, 2, 2), 6.1), rtol=1e-6)


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        ("ArgMax:", 'a layer of type "ArgMax" cannot be written for ncnn'),
        ("Convolution:convolution_param { num_output: 4 kernel_size: 3 }", "no arrays"),
        ("Reshape:reshape_param { shape { dim: 2 dim: -1 } }", "does not have"),
        ("Permute:permute_param { order: 1 }", "batch's axis"),
        ("Concat:concat_param { axis: 0 }", "batch's axis"),
        ("InnerProduct:inner_product_param { num_output: 2 axis: 2 }", "from axis 1 on"),
        ("Pooling:pooling_param { kernel_size: 1 stride: 9 pool: STOCHASTIC }", "stochastic"),
        ("ReLU:relu_param { negative_slope: inf }", "no number inf"),
        ("Power:power_param { scale: nan }", "no number nan"),
        ("LRN:lrn_param { local_size: 4294967295 }", "no number 4294967295"),
    ],
)
def test_what_ncnn_has_not(layer: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        Ncnn(TrainedNet(one_layer(layer), []))
    assert said in caught.value.what
    assert caught.value.where == 'net.prototxt:2 (layer "x")'


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_detector(tmp_path_factory.mktemp("detector"))


@both
def test_the_engine(name: str, detector: tuple[Path, Path]) -> None:
    engines = [load_engine(one, *detector, device="cpu") for one in ("torch", name)]
    random = np.random.default_rng(0)
    shapes = [(1, 3, 64, 64), (3, 3, 64, 64), (1, 3, 96, 80)]
    batches = [random.uniform(-1, 1, shape).astype(np.float32) for shape in shapes]
    (difference,) = compare_engines(engines, batches)
    assert difference.compared > 50
    assert difference.within(1e-5)


@both
def test_nothing_found_is_a_row_a_picture(name: str, detector: tuple[Path, Path]) -> None:
    engine = load_engine(name, *detector, threshold=2.0)
    (rows,) = engine.forward(np.zeros((2, 3, 64, 64), np.float32)).values()
    assert rows[0, 0, :, :2].tolist() == [[0, -1], [1, -1]]


@both
def test_what_the_engine_refuses(name: str, detector: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="on the CPU"):
        load_engine(name, *detector, half=True)
    deploy = tmp_path / "deploy.prototxt"
    deploy.write_text(detector[0].read_text().replace("num_classes: 3", "num_classes: 4"))
    with pytest.raises(InputError, match="4 classes want"):
        load_engine(name, deploy, detector[1])


@pytest.mark.parametrize(("name", "module"), [("ncnn", "ncnn"), ("mnn", "MNN"), ("mnn", "onnx")])
def test_what_is_not_installed(
    name: str, module: str, detector: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UsageError, match="this needs") as caught:
        load_engine(name, *detector)
    assert f"pip install 'ssd-data[{name}]'" in caught.value.hint


@both
def test_they_print_nothing(
    name: str, detector: tuple[Path, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    """MNN writes to standard output by itself, where JSON goes."""
    load_engine(name, *detector).forward(np.zeros((1, 3, 64, 64), np.float32))
    assert capfd.readouterr().out == ""


def test_a_net_that_mnn_cannot_take(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"no net")
    with pytest.raises(InputError, match="MNN's converter cannot take this net"):
        convert(["-f", "ONNX", "--modelFile", "net.onnx"], tmp_path, "net.mnn", "x")


@both
def test_a_trained_net(name: str, shared: Path) -> None:
    folder = shared / "models" / "sfd_mobilenetv2_mod11j"
    files = folder / "deploy.prototxt", folder / "wider_iter_90000.caffemodel"
    engines = [load_engine(one, *files, device="cpu") for one in ("torch", name)]
    batch = np.random.default_rng(0).uniform(-120, 130, (1, 3, 320, 320)).astype(np.float32)
    (difference,) = compare_engines(engines, [batch])
    assert difference.compared > 100
    assert difference.within(1e-3)
