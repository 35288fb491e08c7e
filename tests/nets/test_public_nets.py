"""Nets as others published them, where they are at hand: they run, or one sentence says why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ssd_data import load_engine
from ssd_data.nets.constants import fold_priors
from ssd_data.nets.detection import find_detection_head
from ssd_data.nets.graph import read_graph
from ssd_data.nets.sizes import map_sizes


@pytest.fixture
def nets(shared: Path) -> Path:
    folder = shared.parent / "cases" / "nets"
    if not folder.is_dir():
        pytest.skip(f"no nets at {folder}")
    return folder


def test_each_is_summed_up_or_named_with_its_place(nets: Path, run: Any) -> None:
    paths = sorted(nets.rglob("*.prototxt"))
    assert paths
    for path in paths:
        found = run("model", path, "--summary")
        if found.status:
            said = found.err.strip().splitlines()[0]
            assert said.startswith(f"error: {path}:"), said
            assert ' (layer "' in said, said
            assert "warning" not in found.err
            assert "meta" not in found.err


@pytest.mark.parametrize("name", ["ceil", "round"])
def test_rounded_down(name: str, nets: Path) -> None:
    graph = read_graph(nets / f"{name}.prototxt")
    assert map_sizes(graph)["p1"] == map_sizes(graph)["c2"] == (14, 14)


@pytest.mark.parametrize(("name", "count"), [("inception_SSD_640", 3734), ("VGG16_SSD_512", 10928)])
def test_priors_that_are_moved_about(name: str, count: int, nets: Path) -> None:
    path = nets / f"{name}.prototxt"
    if not path.is_file():
        pytest.skip(f"no {path}")
    graph = read_graph(path)
    head = find_detection_head(graph)
    boxes, variances = fold_priors(graph, head.priors, map_sizes(graph))
    assert boxes.shape == variances.shape == (count, 4)


@pytest.mark.parametrize(
    ("name", "order"),
    [("bn2", (0, 1)), ("bn4", (0, 1, 2, 3)), ("nv16", (2, 3, 0, 1)), ("nv17", (0, 1, 3, 4))],
)
def test_batch_norm_of_nvcaffe(name: str, order: tuple[int, ...], nets: Path) -> None:
    from ssd_data.proto import caffe_pb2

    deploy, weights = (nets / "nvbn" / f"{name}.{end}" for end in ("prototxt", "caffemodel"))
    raw = caffe_pb2.NetParameter.FromString(weights.read_bytes())
    arrays = [np.float64(blob.data).reshape(-1, 1, 1) for blob in raw.layer[1].blobs]
    mean, variance, *rest = (arrays[i] for i in order)
    scale, bias = rest or (1.0, 0.0)
    kernel = np.float64(raw.layer[0].blobs[0].data).reshape(4, 3, 3, 3)
    batch = np.random.default_rng(0).normal(size=(1, 3, 16, 16)).astype(np.float32)
    padded = np.pad(batch[0].astype(np.float64), ((0, 0), (1, 1), (1, 1)))
    y = np.zeros((4, 16, 16))
    for i in range(3):
        for j in range(3):
            y += np.tensordot(kernel[:, :, i, j], padded[:, i : i + 16, j : j + 16], 1)
    y = np.maximum((y - mean) / np.sqrt(variance + 1e-3) * scale + bias, 0)
    for engine in ("torch", "onnxruntime", "opencv"):
        (found,) = load_engine(engine, deploy, weights).forward(batch).values()
        np.testing.assert_allclose(found[0], y, rtol=1e-3, atol=1e-3)


def test_each_top_of_a_slice_has_its_own_values(nets: Path, tmp_path: Path, run: Any) -> None:
    found = run("parity", nets / "equal.prototxt", "random", "--json")
    assert found.status == 0, found.err
    assert [row["output"] for row in found.json["outputs"]] == ["s1", "s2"]
