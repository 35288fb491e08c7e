"""YoloDetectionOutput and Yolov3DetectionOutput, against the fork's loops, in every engine."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from ssd_data.core.errors import InputError
from ssd_data.engines import load_engine
from ssd_data.engines.torch.net import Net
from ssd_data.evaluation.compare import compare_engines, compared_blobs
from ssd_data.nets.detection import find_detection_head
from ssd_data.nets.graph import Graph, parse_graph
from ssd_data.nets.prepare import read_deploy

BIASES = [10, 14, 23, 27, 37, 58, 81, 82]
THIRD = (
    "yolov3_detection_output_param { num_classes: 2 num_box: 2 confidence_threshold: 0.3 "
    f"nms_threshold: 0.45 {' '.join(f'biases: {b}' for b in BIASES)} mask: 2 mask: 3 mask: 0 "
    "mask: 1 anchors_scale: 32 anchors_scale: 16 mask_group_num: 2 }"
)
SECOND = (
    "yolo_detection_output_param { num_classes: 3 num_box: 2 confidence_threshold: 0.2 "
    "nms_threshold: 0.4 biases: 1.5 biases: 2 biases: 3 biases: 0.5 side: 99 }"
)


def graph(kind: str, param: str, shapes: list[tuple[int, ...]]) -> Graph:
    text = ""
    for i, shape in enumerate(shapes):
        dims = " ".join(f"dim: {n}" for n in shape)
        text += f'layer {{ name: "x{i}" type: "Input" top: "x{i}" '
        text += f"input_param {{ shape {{ {dims} }} }} }}\n"
    names = " ".join(f'bottom: "x{i}"' for i in range(len(shapes)))
    text += f'layer {{ name: "out" type: "{kind}" {names} top: "out" {param} }}'
    return parse_graph(text, origin="net.prototxt")


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def overlap(a: list[float], b: list[float]) -> float:
    sides = [
        min(a[i] + a[i + 2] / 2, b[i] + b[i + 2] / 2)
        - max(a[i] - a[i + 2] / 2, b[i] - b[i + 2] / 2)
        for i in (0, 1)
    ]
    if min(sides) < 0:
        return 0.0
    common = sides[0] * sides[1]
    return common / (a[2] * a[3] + b[2] * b[3] - common)


def suppressed(found: list[tuple[float, int, list[float]]], threshold: float) -> list[list[float]]:
    rows: list[tuple[float, int, list[float]]] = []
    for score, label, box in sorted(found, key=lambda f: -f[0]):
        if all(overlap(other[2], box) < threshold for other in rows):
            rows.append((score, label, box))
    return [
        [0, label + 1, score, x - w / 2, y - h / 2, x + w / 2, y + h / 2]
        for score, label, (x, y, w, h) in rows
    ]


def third(maps: list[np.ndarray]) -> list[list[float]]:
    found = []
    for values, anchors, scale in zip(maps, ([2, 3], [0, 1]), (32, 16), strict=True):
        _, height, width = values.shape
        for row in range(height):
            for column in range(width):
                for n in range(2):
                    own = values[7 * n : 7 * n + 7, row, column]
                    box = [
                        (column + sigmoid(own[0])) / width,
                        (row + sigmoid(own[1])) / height,
                        math.exp(own[2]) * BIASES[2 * anchors[n]] / (width * scale),
                        math.exp(own[3]) * BIASES[2 * anchors[n] + 1] / (height * scale),
                    ]
                    for c in range(2):
                        score = sigmoid(own[5 + c]) * sigmoid(own[4])
                        if score > 0.3:
                            found.append((score, c, box))
    return suppressed(found, 0.45)


def second(maps: list[np.ndarray]) -> list[list[float]]:
    found = []
    for values in maps:
        side = values.shape[1]
        for row in range(side):
            for column in range(side):
                for n, (wide, high) in enumerate(((1.5, 2), (3, 0.5))):
                    own = values[8 * n : 8 * n + 8, row, column]
                    powers = np.exp(own[5:] - own[5:].max())
                    score = sigmoid(own[4]) * powers.max() / powers.sum()
                    box = [
                        (column + sigmoid(own[0])) / side,
                        (row + sigmoid(own[1])) / side,
                        math.exp(own[2]) * wide / side,
                        math.exp(own[3]) * high / side,
                    ]
                    if score >= 0.2:
                        found.append((score, int(powers.argmax()), box))
    return suppressed(found, 0.4)


@pytest.mark.parametrize(
    ("kind", "param", "shapes", "twin"),
    [
        ("Yolov3DetectionOutput", THIRD, [(2, 14, 2, 3), (2, 14, 4, 6)], third),
        ("YoloDetectionOutput", SECOND, [(2, 16, 5, 5), (2, 16, 3, 3)], second),
    ],
)
def test_the_forks_detections(kind: str, param: str, shapes: list, twin: object) -> None:  # type: ignore[type-arg]
    random = np.random.default_rng(0)
    maps = [random.normal(size=shape).astype(np.float32) for shape in shapes]
    net = Net(graph(kind, param, shapes))
    found = net.forward(**{f"x{i}": m for i, m in enumerate(maps)})["out"]
    assert found.shape[:2] == (1, 1)
    rows = found[0, 0]
    for picture in range(2):
        expected = twin([m[picture] for m in maps])  # type: ignore[operator]
        assert len(expected) > 5
        own = rows[rows[:, 0] == picture]
        np.testing.assert_allclose(own[:, 1:], np.array(expected)[:, 1:], rtol=1e-5, atol=1e-6)


def test_nothing_found_is_a_row_a_picture() -> None:
    net = Net(graph("YoloDetectionOutput", SECOND, [(2, 16, 3, 3)]))
    found = net.forward(x0=np.full((2, 16, 3, 3), -9.0))["out"]
    assert found.tolist() == [[[[0, *[-1] * 6], [1, *[-1] * 6]]]]


def test_values_that_are_no_numbers_are_no_boxes() -> None:
    net = Net(graph("YoloDetectionOutput", SECOND, [(1, 16, 3, 3)]))
    values = np.full((1, 16, 3, 3), 99.0)
    values[:, :4] = 1e30
    assert np.isfinite(net.forward(x0=values)["out"]).all()
    assert np.isfinite(net.forward(x0=np.full((1, 16, 3, 3), np.nan))["out"]).all()


@pytest.fixture
def detector(tmp_path: Path) -> tuple[Path, Path]:
    """A small net with random weights: two scales, joined by an Upsample as YOLO's are."""
    deploy, weights = tmp_path / "deploy.prototxt", tmp_path / "net.caffemodel"
    convolution = 'weight_filler { type: "gaussian" std: 0.4 } bias_filler { value: -0.2 }'
    deploy.write_text(
        'input: "data" input_shape { dim: 1 dim: 3 dim: 64 dim: 96 }\n'
        'layer { name: "p" type: "Pooling" bottom: "data" top: "p" pooling_param { pool: AVE '
        "kernel_size: 16 stride: 16 } }\n"
        'layer { name: "q" type: "Pooling" bottom: "p" top: "q" pooling_param { pool: AVE '
        "kernel_size: 2 stride: 2 } }\n"
        'layer { name: "coarse" type: "Convolution" bottom: "q" top: "coarse" '
        f"convolution_param {{ num_output: 14 kernel_size: 1 {convolution} }} }}\n"
        'layer { name: "up" type: "Upsample" bottom: "q" top: "up" upsample_param { scale: 2 } }\n'
        'layer { name: "both" type: "Concat" bottom: "up" bottom: "p" top: "both" }\n'
        'layer { name: "fine" type: "Convolution" bottom: "both" top: "fine" '
        f"convolution_param {{ num_output: 14 kernel_size: 1 {convolution} }} }}\n"
        'layer { name: "out" type: "Yolov3DetectionOutput" bottom: "coarse" bottom: "fine" '
        f'top: "out" {THIRD} }}\n'
    )
    torch.manual_seed(0)
    Net(deploy, "TEST").save(str(weights))
    return deploy, weights


def test_engines_agree(detector: tuple[Path, Path]) -> None:
    batch = np.random.default_rng(0).normal(size=(3, 3, 64, 96)).astype(np.float32) * 9
    found = [load_engine(name, *detector).detect(batch) for name in ("torch", "onnxruntime")]
    assert sum(len(f.scores) for f in found[0]) > 20
    for one, other in zip(*found, strict=True):
        assert one.labels.tolist() == other.labels.tolist()
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-5)
        np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-5)


def test_parity_compares_them_as_sets(detector: tuple[Path, Path]) -> None:
    engines = [load_engine(name, *detector) for name in ("torch", "onnxruntime")]
    batch = np.random.default_rng(1).normal(size=(2, 3, 64, 96)).astype(np.float32) * 9
    (difference,) = compare_engines(engines, [batch])
    assert difference.scale == 1.0
    assert difference.unmatched == 0
    assert difference.compared > 5
    assert difference.within(1e-4)


def test_a_merged_net_is_compared_before_the_choice(detector: tuple[Path, Path]) -> None:
    assert sorted(compared_blobs(read_deploy(detector[0]))) == ["coarse", "fine"]


@pytest.mark.parametrize("name", ["torch", "onnxruntime"])
def test_another_threshold(detector: tuple[Path, Path], name: str) -> None:
    batch = np.random.default_rng(0).normal(size=(1, 3, 64, 96)).astype(np.float32) * 9
    (all_of_them,) = load_engine(name, *detector, threshold=0.0).detect(batch)
    (few,) = load_engine(name, *detector, threshold=0.4).detect(batch)
    assert 0 < len(few.scores) < len(all_of_them.scores)
    assert few.scores.min() > 0.4


def test_it_is_not_taken_apart_for_others(detector: tuple[Path, Path]) -> None:
    with pytest.raises(InputError, match="a Yolov3DetectionOutput, which has no priors") as error:
        find_detection_head(read_deploy(detector[0]))
    assert '(layer "out")' in str(error.value.where)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("num_classes: 2", "", "no num_classes"),
        ("num_box: 2", "num_box: 3", "4 masks for 2 bottoms of 3 boxes"),
        ("mask: 3", "mask: 9", "reads one behind them"),
        ("mask_group_num: 2", "mask_group_num: 3", "mask_group_num 3"),
        ("anchors_scale: 32", "", "1 anchors_scale"),
        ("anchors_scale: 32", "anchors_scale: 0", "an anchors_scale is 0"),
        ("biases: 14", "biases: -14", "biases are not pairs"),
        ("biases: 14", "", "biases are not pairs"),
        ("mask: 2", "mask: 2 gaussian_box: true", "gaussian_box is not supported"),
        ("num_classes: 2", "num_classes: 3", "want 16 channels"),
    ],
)
def test_what_is_refused(old: str, new: str, sentence: str) -> None:
    text = THIRD.replace(old, new, 1)
    with pytest.raises(InputError, match=sentence) as error:
        Net(graph("Yolov3DetectionOutput", text, [(1, 14, 2, 2), (1, 14, 4, 4)]))
    assert error.value.where == 'net.prototxt:3 (layer "out")'


def test_the_second_version_wants_square_maps() -> None:
    with pytest.raises(InputError, match="3x5, which is not square"):
        Net(graph("YoloDetectionOutput", SECOND, [(1, 16, 5, 3)]))
