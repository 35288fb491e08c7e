"""Priors of forks for FaceBoxes: fixed sizes in a denser grid, against loops over places."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format

from ssd_data.core.errors import InputError
from ssd_data.engines import load_engine
from ssd_data.engines.torch.net import Net
from ssd_data.nets.graph import parse_graph
from ssd_data.nets.priors import prior_boxes, prior_shapes
from ssd_data.proto import caffe_pb2


def param(text: str) -> caffe_pb2.PriorBoxParameter:
    made = caffe_pb2.PriorBoxParameter()
    text_format.Parse(text, made)
    return made


def around(x: float, y: float, w: float, h: float, size: tuple[int, int], cut: bool) -> list[float]:
    box = [
        (x - w / 2) / size[0],
        (y - h / 2) / size[1],
        (x + w / 2) / size[0],
        (y + h / 2) / size[1],
    ]
    return [max(box[0], 0), max(box[1], 0), min(box[2], 1), min(box[3], 1)] if cut else box


def test_fixed_sizes_in_a_denser_grid() -> None:
    p = param("fixed_size: 33.5 fixed_size: 16 density: 4 density: 2 step: 32 min_size: 8")
    expected = []
    for row in range(2):
        for column in range(3):
            x, y = (column + 0.5) * 32, (row + 0.5) * 32
            for size, count in ((33, 4), (16, 2)):
                step = size // count
                for r in range(count):
                    for c in range(count):
                        left, top = x - size // 2, y - size // 2
                        middle = (left + step / 2 + c * step, top + step / 2 + r * step)
                        expected.append(around(*middle, size, size, (96, 64), True))
            expected.append(around(x, y, 8, 8, (96, 64), False))
    found = prior_boxes(p, (2, 3), (64, 96))
    assert found.shape == (2 * 3 * 21, 4)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_ratios_of_fixed_sizes() -> None:
    with_own = prior_boxes(
        param("fixed_size: 16 density: 1 fixed_ratio: 1 fixed_ratio: 4"), (1, 1), (64, 64)
    )
    np.testing.assert_allclose(
        with_own,
        [around(32, 32, 16, 16, (64, 64), False), around(32, 32, 32, 8, (64, 64), False)],
        atol=1e-6,
    )
    by_aspect = prior_boxes(
        param("fixed_size: 16 density: 1 aspect_ratio: 4 flip: false"), (1, 1), (64, 64)
    )
    np.testing.assert_allclose(by_aspect, with_own, atol=1e-6)


def test_faceboxes_own_grid() -> None:
    """21 boxes at a place for 32, 64 and 128, squares of a pixel less."""
    p = param("min_size: 32 min_size: 64 min_size: 128 step: 32 faceboxes: true")
    shapes = prior_shapes(p)
    assert [len(set(shapes.sizes)), len(shapes.sizes)] == [3, 21]
    expected = []
    for size, count, step in ((32, 4, 8), (64, 2, 16), (128, 1, 0)):
        for i in range(-(count // 2), count - count // 2):
            for j in range(-(count // 2), count - count // 2):
                middle = (48 + j * step, 16 + i * step)
                expected.append(around(*middle, size - 1, size - 1, (1024, 1024), False))
    found = prior_boxes(p, (32, 32), (1024, 1024)).reshape(32, 32, 21, 4)
    np.testing.assert_allclose(found[0, 1], expected, atol=1e-6)
    one = prior_boxes(param("min_size: 256 faceboxes: true"), (1, 1), (512, 512))
    np.testing.assert_allclose(one, [around(256, 256, 255, 255, (512, 512), False)], atol=1e-6)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("fixed_size: 16", "0 density and 0 fixed_ratio for 1 fixed_size"),
        ("fixed_size: 16 density: 2 density: 2", "2 density and 0 fixed_ratio for 1 fixed_size"),
        ("min_size: 4 density: 2", "1 density and 0 fixed_ratio for 0 fixed_size"),
        ("min_size: 4 fixed_ratio: 2", "0 density and 1 fixed_ratio for 0 fixed_size"),
        ("fixed_size: 0 density: 2", "fixed_size must be"),
        ("fixed_size: nan density: 2", "fixed_size must be"),
        ("fixed_size: 16 density: 0", "density must be from 1"),
        ("fixed_size: 16 density: 1e9", "density must be from 1"),
        ("fixed_size: 16 density: 1 fixed_ratio: 0", "fixed_ratio must be from"),
        ("", "no min_size"),
        ("fixed_size: 16 density: 64 " * 99, "more than 65,536 boxes"),
    ],
)
def test_what_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        prior_shapes(param(text))


def test_engines_agree_and_opencv_is_not_asked(tmp_path: Path) -> None:
    deploy, weights = tmp_path / "deploy.prototxt", tmp_path / "net.caffemodel"
    order = "permute_param { order: 0 order: 2 order: 3 order: 1 }"
    noise = 'weight_filler { type: "gaussian" std: 0.3 }'
    deploy.write_text(
        'input: "data" input_shape { dim: 1 dim: 3 dim: 64 dim: 64 }\n'
        'layer { name: "p" type: "Pooling" bottom: "data" top: "p" pooling_param { pool: AVE '
        "kernel_size: 16 stride: 16 } }\n"
        'layer { name: "l" type: "Convolution" bottom: "p" top: "l" convolution_param { '
        f"num_output: 20 kernel_size: 1 {noise} }} }}\n"
        'layer { name: "c" type: "Convolution" bottom: "p" top: "c" convolution_param { '
        f"num_output: 10 kernel_size: 1 {noise} }} }}\n"
        f'layer {{ name: "lp" type: "Permute" bottom: "l" top: "lp" {order} }}\n'
        f'layer {{ name: "cp" type: "Permute" bottom: "c" top: "cp" {order} }}\n'
        'layer { name: "lf" type: "Flatten" bottom: "lp" top: "lf" }\n'
        'layer { name: "cr" type: "Reshape" bottom: "cp" top: "cr" reshape_param { '
        "shape { dim: 0 dim: -1 dim: 2 } } }\n"
        'layer { name: "s" type: "Softmax" bottom: "cr" top: "s" softmax_param { axis: 2 } }\n'
        'layer { name: "sf" type: "Flatten" bottom: "s" top: "sf" }\n'
        'layer { name: "prior" type: "PriorBox" bottom: "p" bottom: "data" top: "prior" '
        "prior_box_param { fixed_size: 16 density: 2 min_size: 24 variance: 0.1 } }\n"
        'layer { name: "out" type: "DetectionOutput" bottom: "lf" bottom: "sf" bottom: "prior" '
        'top: "out" detection_output_param { num_classes: 2 keep_top_k: 50 confidence_threshold: '
        "0.3 code_type: CENTER_SIZE nms_param { nms_threshold: 0.5 } } }\n"
    )
    Net(deploy, "TEST").save(str(weights))
    batch = np.random.default_rng(0).normal(size=(2, 3, 64, 64)).astype(np.float32) * 5
    found = [load_engine(name, deploy, weights).detect(batch) for name in ("torch", "onnxruntime")]
    assert sum(len(f.scores) for f in found[0]) > 10
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-5)
    with pytest.raises(InputError, match="OpenCV's PriorBox has no fixed_size and no density"):
        load_engine("opencv", deploy, weights)


def test_a_net_counts_them() -> None:
    graph = parse_graph(
        'input: "data" input_shape { dim: 1 dim: 3 dim: 64 dim: 64 } '
        'layer { name: "prior" type: "PriorBox" bottom: "data" bottom: "data" top: "prior" '
        "prior_box_param { fixed_size: 16 density: 2 fixed_ratio: 1 fixed_ratio: 2 } }"
    )
    assert Net(graph).blobs["prior"].shape == (1, 2, 64 * 64 * 8 * 4)
    assert math.isclose(float(Net(graph).forward()["prior"][0, 1].max()), 0.1, rel_tol=1e-6)
