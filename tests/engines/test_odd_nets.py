"""Layers over whatever bottoms they are given: they compute, or say why not and where."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from ssd_data.core.errors import InputError
from ssd_data.core.registry import LAYERS
from ssd_data.engines.torch.layer import _spelling
from ssd_data.engines.torch.net import Net
from ssd_data.engines.torch.shapes import infer_shapes
from ssd_data.engines.torch.summary import summarise
from ssd_data.nets.caffemodel import LayerWeights
from ssd_data.nets.edit.canonical import canonical, without_relu6
from ssd_data.nets.graph import parse_graph
from ssd_data.nets.matching import TrainedNet
from ssd_data.nets.priors import MOST_BOXES, prior_boxes
from ssd_data.nets.sizes import map_sizes
from ssd_data.proto import caffe_pb2

READING = {"annotateddata", "data", "hdf5data", "imagedata", "input", "videodata"}
TYPES = sorted(_spelling(name) for name in LAYERS.names() if name not in READING)
PARAMS = {
    "Convolution": "convolution_param { num_output: 3 kernel_size: 1 }",
    "Deconvolution": "convolution_param { num_output: 3 kernel_size: 1 }",
    "DepthwiseConvolution": "convolution_param { num_output: 3 kernel_size: 1 }",
    "InnerProduct": "inner_product_param { num_output: 2 }",
    "Pooling": "pooling_param { kernel_size: 1 }",
    "PriorBox": "prior_box_param { min_size: 4 }",
    "DetectionOutput": "detection_output_param { num_classes: 2 nms_param { nms_threshold: 0.4 } }",
    "DetectionEvaluate": "detection_evaluate_param { num_classes: 2 }",
    "MultiBoxLoss": "multibox_loss_param { num_classes: 2 }",
    "Normalize": "norm_param { across_spatial: true }",
    "LRN": "lrn_param { norm_region: WITHIN_CHANNEL }",
    "ArgMax": "argmax_param { out_max_val: true }",
    "Clip": "clip_param { min: 0 max: 1 }",
    "Embed": "embed_param { input_dim: 3 num_output: 2 }",
    "Im2col": "convolution_param { kernel_size: 2 }",
    "Interp": "interp_param { zoom_factor: 2 }",
    "LSTM": "recurrent_param { num_output: 2 }",
    "Log": "log_param { shift: 3 }",
    "MultiBoxFocalLoss": "multibox_loss_param { num_classes: 2 }",
    "PSROIPooling": "psroi_pooling_param { output_dim: 1 group_size: 1 spatial_scale: 1 }",
    "ROIPooling": "roi_pooling_param { pooled_h: 2 pooled_w: 2 }",
    "Reorg": "reorg_param { stride: 1 }",
    "SPP": "spp_param { pyramid_height: 1 }",
    "Tile": "tile_param { tiles: 2 }",
    "Upsample": "upsample_param { scale: 2 }",
    "YoloDetectionOutput": "yolo_detection_output_param { num_classes: 1 num_box: 1 biases: 1 "
    "biases: 1 }",
    "Yolov3DetectionOutput": "yolov3_detection_output_param { num_classes: 1 num_box: 1 biases: 1 "
    "biases: 1 mask: 0 mask_group_num: 1 anchors_scale: 8 }",
}
SHAPES = [(), (3,), (2, 3), (2, 3, 8), (1, 3, 2, 2), (1, 1, 2, 7), (1, 2, 3, 1, 1), (0, 3, 2, 2)]


def net_text(kind: str, shapes: list[tuple[int, ...]], param: str = "") -> str:
    lines = []
    for i, shape in enumerate(shapes):
        dims = " ".join(f"dim: {n}" for n in shape)
        of = f"input_param {{ shape {{ {dims} }} }}"
        lines.append(f'layer {{ name: "i{i}" type: "Input" top: "i{i}" {of} }}')
    bottoms = " ".join(f'bottom: "i{i}"' for i in range(len(shapes)))
    lines.append(f'layer {{ name: "it" type: "{kind}" {bottoms} top: "y" {param} }}')
    return "\n".join(lines)


@pytest.mark.parametrize("kind", TYPES)
def test_any_bottoms(kind: str) -> None:
    cases = [[a] for a in SHAPES] + [list(pair) for pair in product(SHAPES[1:6], repeat=2)]
    cases += [[a, b, (1, 2, 4)] for a, b in product(SHAPES[1:5], repeat=2)]
    cases += [[a, a, (1, 2, 4), (1, 1, 1, 8)] for a in SHAPES]
    cases += [[(), a] for a in SHAPES[:3]] + [[(), (), ()], [(2, 3), (2, 3), ()], [(2, 3), ()]]
    said: list[str] = []
    for shapes in cases:
        for phase in ("TRAIN", "TEST"):
            graph = parse_graph(net_text(kind, shapes, PARAMS.get(kind, "")), phase)
            infer_shapes(graph, {})
            try:
                net = Net(graph)
                for name in net.inputs:
                    net.blobs[name].data[...] = 1
                net.forward()
            except InputError as error:
                said.append(str(error))
    assert all('layer "it"' in text and len(text) < 500 for text in said)


@pytest.mark.parametrize(
    ("kind", "shapes", "words"),
    [
        ("DetectionOutput", [(12,)] * 3, "priors have shape (12,), not 1 x 2 x (priors * 4)"),
        ("DetectionOutput", [(8,), (4,), (1, 2, 8)], "have an axis of pictures, and more"),
        ("DetectionEvaluate", [(7,), (8,)], "takes a bottom of 4 axes, not of 1"),
        ("Normalize", [(3,)], "takes a bottom of 2 to 4 axes, not of 1"),
        ("LRN", [(2, 3, 4)], "takes a bottom of 4 axes, not of 3"),
        ("PriorBox", [(2, 3)], "takes a bottom of 4 axes, not of 2"),
        ("BatchNorm", [()], "takes a bottom of at least one axis"),
    ],
)
def test_too_few_axes(kind: str, shapes: list[tuple[int, ...]], words: str) -> None:
    graph = parse_graph(net_text(kind, shapes, PARAMS.get(kind, "")))
    for judge in (Net, summarise):
        with pytest.raises(InputError) as caught:
            judge(graph)
        assert words in caught.value.what
        assert 'layer "it"' in caught.value.where


@pytest.mark.parametrize("kind", ["Convolution", "Interp", "ReLU", "Upsample"])
def test_no_top(kind: str) -> None:
    text = net_text(kind, [(1, 3, 4, 4)], PARAMS.get(kind, ""))
    for judge in (Net, summarise):
        with pytest.raises(InputError, match=r'"it"\): has no top, so'):
            judge(parse_graph(text.replace('top: "y"', "")))


@pytest.mark.parametrize("spatial", [True, False])
@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4), (2, 3, 4, 5)])
def test_normalize_over_any_axes(shape: tuple[int, ...], spatial: bool) -> None:
    param = f"norm_param {{ across_spatial: {str(spatial).lower()} eps: 0 }}"
    net = Net(parse_graph(net_text("Normalize", [shape], param)))
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    axes = tuple(range(1, len(shape))) if spatial else 1
    expected = x / np.sqrt((x * x).sum(axis=axes, keepdims=True))
    np.testing.assert_allclose(net.forward(i0=x)["y"], expected, rtol=1e-5)


HUGE = 4294967295


@pytest.mark.parametrize(
    ("kind", "shape", "param", "words"),
    [
        (
            "Convolution",
            (1, 3, 30, 30),
            f"convolution_param {{ num_output: {HUGE} kernel_size: {HUGE} pad: {HUGE} }}",
            "would have more values than a blob of Caffe's holds, 2,147,483,647",
        ),
        ("InnerProduct", (1, 8), f"inner_product_param {{ num_output: {HUGE} }}", "more values"),
        (
            "Pooling",
            (1, 1, 4, 4),
            f"pooling_param {{ kernel_size: {HUGE} }}",
            "cannot take bottoms",
        ),
        (
            "Pooling",
            (2, 6, 9, 11),
            "pooling_param { kernel_size: 2 stride: 9999 }",
            "its padding is far larger than the picture",
        ),
        (
            "Pooling",
            (1, 1, 9, 9),
            "pooling_param { pool: AVE kernel_size: 9999 pad: 9998 }",
            "its padding is far larger than the picture",
        ),
        ("Reshape", (1, 4), f"reshape_param {{ shape {{ {'dim: 1 ' * 40} dim: -1 }} }}", "41 axes"),
        ("Reshape", (1,) * 32, "reshape_param { shape { dim: 1 } num_axes: 0 }", "makes 33 axes"),
        ("ReLU", (1,) * 33, "", "has 33 axes; Caffe has 32 at most"),
        ("ReLU", (1 << 20, 1 << 20), "", "more values"),
        ("ReLU", (0, 1 << 62, 1 << 62), "", "more values"),
        ("ReLU", (2**63 - 1,) * 3, "", "more values"),
        ("ReLU", (-1, 4), "", "negative"),
        ("Tile", (2, 3), "tile_param { tiles: 2000000000 }", "its top of 2x6000000000 would"),
        (
            "Deconvolution",
            (1, 1, 8, 8),
            "convolution_param { num_output: 1 kernel_size: 1 stride: 60000 }",
            "its top of 1x1x420001x420001 would",
        ),
        ("Upsample", (1, 1, 9, 9), "upsample_param { scale: 7000 }", "its top of 1x1x63000x63000"),
        ("Upsample", (1, 1, 9, 9), f"upsample_param {{ stride: {HUGE} }}", "its top would be"),
        ("Interp", (1, 1, 9, 9), "interp_param { height: 60000 width: 60000 }", "more values"),
        ("Embed", (2, 3), f"embed_param {{ input_dim: {HUGE} num_output: 2 }}", "more values"),
        ("Parameter", (1,), "parameter_param { shape { dim: 9999999999 } }", "has 1 bottoms"),
    ],
)
def test_sizes_that_no_blob_has(kind: str, shape: tuple[int, ...], param: str, words: str) -> None:
    graph = parse_graph(net_text(kind, [shape], param))
    for judge in (Net, summarise):
        with pytest.raises(InputError) as caught:
            judge(graph)
        assert words in str(caught.value)
        assert "layer " in caught.value.where


@pytest.mark.parametrize(("stride", "size"), [(5, 3), (300, 2)])
def test_pooling_with_windows_far_apart(stride: int, size: int) -> None:
    param = f"pooling_param {{ kernel_size: 2 stride: {stride} }}"
    net = Net(parse_graph(net_text("Pooling", [(1, 1, 9, 9)], param)))
    x = np.arange(81, dtype=np.float32).reshape(1, 1, 9, 9)
    found = net.forward(i0=x)["y"]
    assert found.shape == (1, 1, size, size)
    assert found[0, 0, 0, 0] == 10


@pytest.mark.parametrize("dims", ["", "dim: 1", "dim: 1 dim: 3 dim: 0 dim: 9", "dim: -1 " * 4])
def test_an_input_without_a_picture(dims: str) -> None:
    text = f'layer {{ name: "x" type: "Input" top: "x" input_param {{ shape {{ {dims} }} }} }}'
    with pytest.raises(InputError, match="the input"):
        parse_graph(text).input_shape()
    with pytest.raises(InputError, match="has 0 shapes for one input"):
        parse_graph('layer { name: "x" type: "Input" top: "x" }').input_shape()


def prior(**fields: object) -> caffe_pb2.PriorBoxParameter:
    return caffe_pb2.PriorBoxParameter(min_size=[8], **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("param", "place", "picture", "words"),
    [
        (prior(), (0, 4), (9, 9), "no places"),
        (prior(), (4, 4), (9, 0), "no places"),
        (prior(), (1 << 13, 1 << 13), (9, 9), f"more than {MOST_BOXES:,} boxes"),
        (prior(offset=float("nan")), (2, 2), (9, 9), "far outside any picture"),
        (prior(step=3e38), (9, 9), (9, 9), "far outside any picture"),
        (prior(aspect_ratio=[1e-45]), (2, 2), (9, 9), "aspect_ratio must be positive, and"),
        (prior(aspect_ratio=[3e38], flip=True), (2, 2), (9, 9), "aspect_ratio must be"),
    ],
)
def test_priors_that_are_none(
    param: caffe_pb2.PriorBoxParameter,
    place: tuple[int, int],
    picture: tuple[int, int],
    words: str,
) -> None:
    with pytest.raises(InputError, match=words.replace("(", r"\(")) as caught:
        prior_boxes(param, place, picture, "here")
    assert caught.value.where == "here"


INPUT = 'layer { name: "x" type: "Input" top: "x" '
INPUT += "input_param { shape { dim: 1 dim: 4 dim: 3 dim: 3 } } }\n"
ALONE = 'layer { name: "it" type: "Convolution" bottom: "y" top: "z" convolution_param '
ALONE += "{ num_output: 4 group: 4 kernel_size: 3 pad: 1 } }"
POOL = 'layer { name: "p" type: "Pooling" bottom: "x" top: "y" '
POOL += "pooling_param { global_pooling: true } }"


def test_what_a_canonical_net_cannot_be_made_of() -> None:
    graph = parse_graph(f"{INPUT}{POOL}\n{ALONE}")
    for size in (35, 36, 72):
        weights = LayerWeights("it", "Convolution", [np.zeros(size, np.float32)])
        trained = TrainedNet(graph, [weights])
        if size % 36:
            with pytest.raises(InputError, match="weights of shape 35 do not fit 4 outputs"):
                canonical(trained, map_sizes(graph))
        else:
            assert canonical(trained, map_sizes(graph))[0].layers[0].arrays[0].size == size // 9
    bare = parse_graph('layer { name: "it" type: "Convolution" top: "z" }')
    assert canonical(TrainedNet(bare, []), {})
    relu = parse_graph('layer { name: "it" type: "ReLU6" top: "z" }')
    with pytest.raises(InputError, match="a ReLU6 has one bottom and one top"):
        without_relu6(TrainedNet(relu, []), "layers")
    sized = 'layer { name: "it" type: "PriorBox" top: "z" prior_box_param { min_size: nan } }'
    assert canonical(TrainedNet(parse_graph(sized), []), {})
