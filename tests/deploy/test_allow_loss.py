"""What whole numbers cost is scored by the runtime that ships, and a net that loses is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import cv2
import numpy as np
import pytest
from support.nets import write_detector
from support.trees import Voc, xml

from ssd_data import BuildOptions, build, find
from ssd_data.core.errors import OutputError
from ssd_data.deploy.proof import Proof
from ssd_data.engines import load_engine
from ssd_data.nets.caffemodel import read_caffemodel, write_caffemodel
from ssd_data.nets.preprocessing import Preprocessing

PREPARE = Preprocessing((127.5, 127.5, 127.5), 0.0078)
CLASSES = ("cat", "dog")
FAR = 2.0**12  # a power of two: in single precision the net is the same to the last digit
RUNTIMES = [("ncnn", "ncnn"), ("onnx", "onnxruntime")]
Net = tuple[Path, Path]


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Net:
    return write_detector(tmp_path_factory.mktemp("net"))


@pytest.fixture(scope="module")
def uneven(net: Net) -> Net:
    """The same net, every second channel of its first map far larger, and what reads it smaller by
    as much: with one scale for the whole map 8 bits are too few."""
    deploy, weights = net
    model, far = read_caffemodel(weights), np.where(np.arange(8) % 2, FAR, 1)
    for i in (0, 1):
        model["scale1"][i] *= far
    model["conv2"][0] /= far[:, None, None, None]
    for name in ("loc1", "conf1"):
        model[name][0] /= far[None, :, None, None]
    path = weights.with_name("uneven.caffemodel")
    write_caffemodel(path, model.net, model.layers)
    return deploy, path


@pytest.fixture(scope="module")
def lmdb(net: Net, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, and what the net finds in them as their truth."""
    folder = tmp_path_factory.mktemp("truth")
    voc, engine = Voc(folder / "VOC", 8), load_engine("torch", *net, device="cpu")
    pixels = np.random.default_rng(3).integers(0, 256, (8, 9, 9, 3)).astype(np.uint8)
    for i in range(1, 9):
        file = voc.picture(i)
        cv2.imwrite(str(file), cv2.resize(pixels[i - 1], (64, 64), interpolation=cv2.INTER_CUBIC))
        (found,) = engine.detect(PREPARE.apply(cv2.imread(str(file)), (64, 64))[None])
        boxes = np.clip(np.round(found.boxes * 64), 1, 63).astype(int).tolist()
        rows = [(CLASSES[k - 1], *box) for k, box in zip(found.labels, boxes, strict=True)]
        voc.annotation(i).write_text(xml(rows, (64, 64), file.name))
    build(find(voc.root), folder / "lmdbs", BuildOptions())
    return next((folder / "lmdbs").glob("*_trainval_lmdb"))


def call(net: Net, out: Path, profile: str, lmdb: Path, *more: object) -> list[object]:
    mean = ["--mean", "127.5", "--scale", "0.0078"]
    calibrated = ["--int8", "--calibrate", lmdb, "--records", "4", "--score", lmdb]
    return ["deploy", *net, "--profile", profile, *mean, *calibrated, "-o", out, *more]


@pytest.mark.parametrize(("profile", "runtime"), RUNTIMES)
def test_a_net_that_loses_is_refused_and_one_that_does_not_is_written(
    run: Any, net: Net, uneven: Net, lmdb: Path, tmp_path: Path, profile: str, runtime: str
) -> None:
    pytest.importorskip(runtime)
    out = tmp_path / "out"
    even = run(*call(net, out, profile, lmdb, "--allow-loss", "0.2", "--json"))
    assert even.status == 0, even.err
    score = even.json["losses"][f"mAP on {lmdb.name}"]
    assert score["embedded"] > 0.7
    assert -0.01 <= score["loss"] <= 0.2
    assert (out / "preprocess.json").is_file()
    done = run(*call(uneven, tmp_path / "lost", profile, lmdb, "--allow-loss", "0.2"))
    assert done.status == 1
    assert done.out == ""
    said = rf"mAP on {lmdb.name} falls by 0\.\d+, from {score['embedded']:.4f} to 0\.[0-7]\d+"
    assert re.search(said + ", and 0.2 is allowed: nothing was written", done.err), done.err
    assert "Allow more with --allow-loss, or take a higher precision" in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(("profile", "runtime"), RUNTIMES)
def test_without_a_limit_the_same_loss_is_written_down(
    run: Any, uneven: Net, lmdb: Path, tmp_path: Path, profile: str, runtime: str
) -> None:
    pytest.importorskip(runtime)
    done = run(*call(uneven, tmp_path / "out", profile, lmdb, "--json"))
    assert done.status == 0, done.err
    assert done.json["losses"][f"mAP on {lmdb.name}"]["loss"] > 0.2
    page = (tmp_path / "out" / "README.md").read_text()
    assert f"mAP on {lmdb.name}" in page


def test_what_is_lost_is_exactly_what_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """.77 - .76 is more than .01 by a rounding error."""
    proof = scored(monkeypatch, 0.77, 0.76)
    assert proof.score(Path("a_lmdb"), 0.01)["mAP on a_lmdb"]["loss"] > 0.01
    with pytest.raises(OutputError, match=r"falls by 0.01, from 0.7700 to 0.7600, and 0.0099"):
        proof.score(Path("a_lmdb"), 0.0099)
    with pytest.raises(OutputError, match=r"falls by 3e-05, .* and 0 is allowed"):
        scored(monkeypatch, 0.77, 0.76997).score(Path("a_lmdb"), 0)


def test_a_net_that_scores_nothing_has_nothing_to_lose(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another mean, say: that both score 0 shows nothing."""
    proof = scored(monkeypatch, 0.0, 0.0)
    assert proof.score(Path("a_lmdb"))["mAP on a_lmdb"]["loss"] == 0
    with pytest.raises(OutputError, match="has a mAP of 0 on a_lmdb by the embedded engine"):
        proof.score(Path("a_lmdb"), 0.01)


def scored(monkeypatch: pytest.MonkeyPatch, embedded: float, shipped: float) -> Proof:
    given = {"embedded": embedded, "shipped": shipped, "loss": embedded - shipped, "records": 6}
    monkeypatch.setattr(Proof, "scores", lambda *_: given)
    proof = Proof(Mock(deploy="deploy.prototxt"), Mock(), [])
    proof.shipped = Mock()
    return proof
