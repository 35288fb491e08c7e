"""The stand-alone post-processing against the original's answers and against a plain loop."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import GOLDEN, ROOT

from ssd_data.nets import postprocess
from ssd_data.nets.detection import detection_settings
from ssd_data.nets.graph import read_graph

CASES = sorted(p.stem for p in (GOLDEN / "layers").glob("detection_output_*.npz"))


@pytest.mark.parametrize("case", CASES)
def test_the_originals_answers(case: str) -> None:
    loaded = np.load(GOLDEN / "layers" / f"{case}.npz")
    arrays = {key.replace("|", "/"): value for key, value in loaded.items()}
    graph = read_graph(GOLDEN / "layers" / f"{case}.prototxt")
    wanted = detection_settings(graph.nodes[-1].param.detection_output_param)
    priors, variances = arrays["in/prior"].reshape(2, -1, 4)
    rows = postprocess.detection_output(
        arrays["in/loc"], arrays["in/conf"], priors, variances, wanted
    )
    theirs = arrays[next(k for k in arrays if k.startswith("out/"))][0, 0]
    theirs = theirs[theirs[:, 1] >= 0]
    assert rows.shape == theirs.shape
    np.testing.assert_allclose(rows, theirs, atol=1e-5)


def test_all_cases_are_here() -> None:
    assert len(CASES) == 7


def plain(boxes: np.ndarray, group: np.ndarray, threshold: float, eta: float) -> list[bool]:
    stays: list[bool] = []
    limits = dict.fromkeys(group.tolist(), np.float32(threshold))
    for i, box in enumerate(boxes):
        kept = [j for j in range(i) if stays[j] and group[j] == group[i]]
        free = all(iou(boxes[j], box) <= limits[group[i]] for j in kept)
        stays.append(free)
        if free and eta < 1 and limits[group[i]] > 0.5:
            limits[group[i]] *= np.float32(eta)
    return stays


def iou(a: np.ndarray, b: np.ndarray) -> np.float32:
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    common = np.maximum(high - low, 0).prod(dtype=np.float32)
    area = [0 if (x[2:] < x[:2]).any() else (x[2:] - x[:2]).prod() for x in (b, a)]
    union = np.float32(area[0] + area[1]) - common
    return np.float32(common / union) if union > 0 else np.float32(0)


@given(st.integers(0, 40), st.integers(1, 4), st.sampled_from([1.0, 0.9]), st.integers(0, 99))
@settings(max_examples=60)
def test_suppression_is_the_greedy_one(count: int, groups: int, eta: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    low = random.integers(0, 6, (count, 2)) / 8
    boxes = np.concatenate([low, low + random.integers(-1, 5, (count, 2)) / 8], 1)
    boxes = boxes.astype(np.float32)
    group = np.sort(random.integers(0, groups, count) * 3)
    threshold = float(random.choice([0.0, 0.3, 0.55, 0.7]))
    found = postprocess.suppress(boxes, group, threshold, eta)
    assert found.tolist() == plain(boxes, group, threshold, eta)


@pytest.mark.parametrize("kind", ["softmax", "sigmoid"])
def test_activations_of_large_values(kind: str) -> None:
    scores = postprocess.activate(np.array([[-1e4, 1e4]], np.float32), kind, 2)
    np.testing.assert_allclose(scores, [[[0, 1]]])


SETTINGS = {
    "num_classes": 2, "background_label_id": 0, "share_location": True, "top_k": 2,
    "code_type": "CENTER_SIZE", "variance_encoded_in_target": False, "confidence_threshold": 0.1,
    "nms_threshold": 0.5, "eta": 1.0, "keep_top_k": -1,
}  # fmt: skip


def test_a_score_that_is_no_number_takes_no_place() -> None:
    priors = np.array([[0, 0, 0.1, 0.1], [0.3, 0, 0.4, 0.1], [0.6, 0, 0.7, 0.1]], np.float32)
    scores = np.array([[[0.1, 0.9], [np.nan, np.nan], [0.2, 0.8]]], np.float32)
    rows = postprocess.detection_output(
        np.zeros((1, 12)), scores, priors, np.ones(4, np.float32), SETTINGS
    )
    assert rows[:, 2].tolist() == np.float32([0.9, 0.8]).tolist()


def test_boxes_beyond_all_numbers_are_decoded_without_a_word() -> None:
    boxes = postprocess.decode(
        np.full((1, 4), 1e4, np.float32), np.float32([[0, 0, 1, 1]]), np.ones(4, np.float32),
        "CENTER_SIZE",
    )  # fmt: skip
    assert not np.isfinite(boxes).all()  # a warning would be an error here


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_pictures_of_a_gray_net(layout: str, tmp_path: Path) -> None:
    table = {"input": {"mean": [100], "scale": 0.5, "layout": layout}}
    (tmp_path / "preprocess.json").write_text(json.dumps(table))
    detector = postprocess.Detector(tmp_path)
    gray = np.arange(100, 106, dtype=np.uint8).reshape(2, 3)
    wanted = (gray.astype(np.float32) - 100) / 2
    values = wanted[None] if layout == "NCHW" else wanted[..., None]
    for picture in (gray, gray[..., None]):
        assert np.array_equal(detector.prepare(picture), values)
    with pytest.raises(ValueError, match="is to be gray"):
        detector.prepare(np.zeros((2, 3, 3), np.uint8))
    table["input"]["mean"] = [1, 2, 3]
    (tmp_path / "preprocess.json").write_text(json.dumps(table))
    with pytest.raises(ValueError, match="is to be BGR"):
        postprocess.Detector(tmp_path).prepare(gray)


def test_it_depends_on_numpy_alone(tmp_path: Path) -> None:
    source = ROOT / "ssd_data" / "nets" / "postprocess.py"
    modules = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add(node.module or "")
    assert modules == {
        "__future__",
        "collections.abc",
        "json",
        "numpy",
        "numpy.typing",
        "pathlib",
        "typing",
    }
    (tmp_path / "postprocess.py").write_bytes(source.read_bytes())
    np.save(tmp_path / "priors.npy", np.array([[0.1, 0.1, 0.5, 0.5]], np.float32))
    settings_ = {
        "num_classes": 2, "background_label_id": 0, "share_location": True, "top_k": -1,
        "code_type": "CORNER", "variance_encoded_in_target": False, "confidence_threshold": 0.1,
        "nms_threshold": 0.5, "eta": 1, "keep_top_k": -1, "activation": "softmax",
        "variances": [0.1] * 4,
    }  # fmt: skip
    table = {"input": {"mean": [0, 0, 100], "scale": 0.5}, "detection": settings_}
    (tmp_path / "preprocess.json").write_text(json.dumps(table))
    program = (
        "import numpy, postprocess; d = postprocess.Detector('.')\n"
        "assert d.prepare(numpy.full((2, 2, 3), 200, numpy.uint8))[:, 0, 0].tolist()"
        " == [100, 100, 50]\n"
        "print(d(numpy.ones((1, 4), 'f'), numpy.zeros((1, 2), 'f')).round(3).tolist())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    (row,) = json.loads(done.stdout)
    np.testing.assert_allclose(row, [0, 1, 0.5, 0.2, 0.2, 0.6, 0.6], atol=1e-6)
