"""Nets of one channel: every engine and target sees a picture as ``force_gray`` gives it."""

from __future__ import annotations

import json
import math
import re
import runpy
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
from support.nets import detector_text, training_text, write_detector
from support.trees import jpeg

import ssd_data
from ssd_data.batches.augment import DataTransformer
from ssd_data.core.errors import InputError, UsageError
from ssd_data.core.registry import ENGINES, TARGETS
from ssd_data.core.structures import Detections
from ssd_data.data.build.builder import build
from ssd_data.data.build.options import BuildOptions
from ssd_data.data.find import find
from ssd_data.data.lmdb.store import open_shared
from ssd_data.data.synthetic.sample import draw_sample
from ssd_data.deploy import deploy
from ssd_data.engines import load_engine
from ssd_data.evaluation.detect import Frame, detect, read_inputs
from ssd_data.evaluation.protocols import make_plan
from ssd_data.evaluation.sources import open_set
from ssd_data.nets.caffemodel import read_caffemodel, write_caffemodel
from ssd_data.nets.graph import parse_graph, read_graph
from ssd_data.nets.preprocessing import Preprocessing
from ssd_data.proto import caffe_pb2

GRAY = Preprocessing((10.0,), 0.0078)
MEAN = ["--mean", "10", "--scale", "0.0078"]


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_detector(tmp_path_factory.mktemp("net"), classes=4, channels=1)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three drawn pictures, as a tree and as LMDBs in colour, gray, and as raw values."""
    folder = tmp_path_factory.mktemp("gray")
    draw_sample(folder / "sample", layouts=["voc"], train=1, test=3, size=80)
    for name, options in {
        "colour": BuildOptions(),
        "gray": BuildOptions(gray=True),
        "raw": BuildOptions(encode="raw"),
    }.items():
        build(find(folder / "sample" / "voc"), folder / name, options, splits=["test"])
    return folder


def lmdb(sample: Path, name: str) -> Path:
    return sample / name / "voc_test_lmdb"


@contextmanager
def skipping_what_is_absent() -> Iterator[None]:
    """A runtime that is not installed here."""
    try:
        yield
    except UsageError as error:
        if "pip install" not in error.hint:
            raise
        pytest.skip(str(error))


# ---- what the net sees ----


@pytest.mark.parametrize("name", ["colour", "gray", "raw"])
def test_as_force_gray(net: tuple[Path, Path], sample: Path, name: str) -> None:
    """Pictures of an LMDB go into a net as the data layer of its training gives them."""
    param = caffe_pb2.TransformationParameter(mean_value=[10], scale=0.0078, force_gray=True)
    param.resize_param.height = param.resize_param.width = 64
    transformer = DataTransformer(param, jpeg_roundtrip=False)
    data = open_set(lmdb(sample, name))
    plan = make_plan("single", GRAY.fitted(read_graph(net[0])), (64, 64))
    reader = open_shared(lmdb(sample, name))
    for i, record in enumerate(map(reader.record, reader.keys())):
        seen = plan.prepare(data.read(i, gray=plan.gray))
        assert seen.shape == (1, 64, 64)
        if name == "raw":  # which the original's force_gray leaves as they are
            gray = cv2.cvtColor(record.decode(), cv2.COLOR_BGR2GRAY)
            wanted = GRAY.fitted(read_graph(net[0])).apply(gray, (64, 64))
        else:
            wanted, _ = transformer(record, np.random.default_rng(0))
        assert np.array_equal(seen, wanted)


def test_files_are_decoded_gray(net: tuple[Path, Path], tmp_path: Path) -> None:
    """A JPEG's own luma, which differs from the gray of its decoded colours."""
    (tmp_path / "a.jpg").write_bytes(jpeg(seed=3))
    prepare = GRAY.fitted(read_graph(net[0]))
    (seen,) = read_inputs([tmp_path / "a.jpg"], prepare, (64, 48))
    luma = cv2.imread(str(tmp_path / "a.jpg"), cv2.IMREAD_GRAYSCALE)
    assert seen.shape == (1, 1, 48, 64)
    np.testing.assert_allclose(seen[0, 0], (luma.astype(np.float32) - 10) * np.float32(0.0078))


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_of_any_picture(kind: type, net: tuple[Path, Path]) -> None:
    prepare = Preprocessing((0.0,), gray=True)
    blue = np.zeros((4, 4, 3), kind)
    blue[..., 0] = 100
    assert prepare.apply(blue, None).round().tolist() == [[[11] * 4] * 4]
    flat = np.full((4, 4), 7, kind)
    for picture in (flat, flat[..., None]):
        assert prepare.apply(picture, (2, 2)).tolist() == [[[7] * 2] * 2]
        colour = Preprocessing((1.0, 2.0, 3.0)).apply(picture, (2, 2))
        assert colour[:, 0, 0].tolist() == [6, 5, 4]


# ---- engines and commands ----


@pytest.mark.parametrize("engine", [name for name in ENGINES.names() if name != "caffe"])
def test_detect(engine: str, net: tuple[Path, Path], tmp_path: Path, run: Any) -> None:
    """OpenCV, fed by hand, is the judge."""
    with skipping_what_is_absent():
        load_engine(engine, *net)
    (tmp_path / "a.jpg").write_bytes(jpeg(seed=3))
    (tmp_path / "b.png").write_bytes(cv2.imencode(".png", cv2.imread(str(tmp_path / "a.jpg")))[1])
    (tmp_path / "c.pgm").write_bytes(
        cv2.imencode(".pgm", cv2.imread(str(tmp_path / "a.jpg"), cv2.IMREAD_GRAYSCALE))[1]
    )
    judge = cv2.dnn.readNetFromCaffe(str(net[0]), str(net[1]))
    done = run("detect", *net, tmp_path, *MEAN, "--engine", engine, "--threshold", "0", "--json",
               "--draw", tmp_path / "drawn")  # fmt: skip
    assert done.status == 0, done.err
    for picture in done.json["pictures"]:
        values = cv2.imread(picture["picture"], cv2.IMREAD_GRAYSCALE)
        values = cv2.resize(values, (64, 64)).astype(np.float32)
        judge.setInput(((values - 10) * np.float32(0.0078))[None, None], "data")
        rows = judge.forward().reshape(-1, 7)
        rows = rows[rows[:, 1] > 0]
        assert len(picture["detections"]) == len(rows) > 3
        mine = sorted((d["label"], d["score"], *d["box"]) for d in picture["detections"])
        theirs = sorted(
            (*row[1:3], *row[3:]) for row in (rows * (1, 1, 1, 64, 48, 64, 48)).tolist()
        )
        np.testing.assert_allclose(mine, theirs, atol=0.02)
    assert len(list((tmp_path / "drawn").iterdir())) == 3


def test_a_video(net: tuple[Path, Path], tmp_path: Path, run: Any) -> None:
    path = tmp_path / "street.avi"
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for i in range(3):
        video.write(np.full((48, 64, 3), (80 * i, 9, 9), np.uint8))
    video.release()
    done = run("detect", *net, path, *MEAN, "--json", "--draw", tmp_path / "drawn")
    assert done.status == 0, done.err
    assert len(done.json["pictures"]) == 3
    assert (tmp_path / "drawn" / "street.mp4").stat().st_size


def test_parity(net: tuple[Path, Path], tmp_path: Path, run: Any) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(seed=3))
    engines = ["--engines", "torch,opencv,onnxruntime", "--json"]
    for pictures in ([tmp_path / "a.jpg", *MEAN], []):
        done = run("parity", *net, *pictures, *engines)
        assert done.status == 0, done.err
        assert done.json["passed"]


@pytest.mark.parametrize("what", ["colour", "gray", "sample/voc"])
def test_eval(what: str, net: tuple[Path, Path], sample: Path, tmp_path: Path, run: Any) -> None:
    place = lmdb(sample, what) if "/" not in what else sample / what
    args = ("eval", place, "--deploy", net[0], "--weights", net[1], *MEAN, "--json")
    done = run(*args, "--out", tmp_path / "out", "--draw-worst", "1", "--batch", "2")
    assert done.status == 0, done.err
    assert done.json["counts"]["detections"] > 3
    assert done.json["detector"]["mean"] == [10.0]
    native = run(*args, "--size", "native")
    assert native.status == 0, native.err
    faces = run(*args, "--protocol", "sfd")
    assert faces.status == 0, faces.err


@pytest.mark.parametrize(
    ("profile", "options"),
    [(name, {}) for name in TARGETS.names()]
    + [("onnx", {"head": head}) for head in ("raw", "decoded")]
    + [("onnx", {"half": True}), ("onnx", {"dynamic_batch": True})],
)
def test_deploy(
    profile: str, options: dict[str, Any], net: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(seed=3))
    out = tmp_path / "out"
    with skipping_what_is_absent():
        made = deploy(profile, *net, out, GRAY, options=options, pictures=[tmp_path / "a.jpg"])
    table = json.loads((out / "preprocess.json").read_text())
    assert table["input"]["channels"] == "gray"
    assert table["input"]["mean"] == [10.0]
    last = table["input"]["layout"] == "NHWC"
    assert table["input"]["shape"][3 if last else 1] == 1
    assert all(proof.within(1e-3) for proof in made.proofs)
    page = (out / "README.md").read_text()
    assert "One channel, gray" in page
    assert "Subtract the mean (10)" in page


@pytest.mark.parametrize("channels", [1, 3])
def test_the_pages_program(channels: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the README shows gives what the net was proven on."""
    net = write_detector(tmp_path, channels=channels)
    prepare = GRAY if channels == 1 else Preprocessing((104, 117, 123), 0.01)
    deploy("caffe-ssd", *net, tmp_path / "out", prepare)
    program = re.search(r"```python\n(.*?)```", (tmp_path / "out" / "README.md").read_text(), re.S)
    assert program
    (tmp_path / "photo.jpg").write_bytes(jpeg(seed=4))
    (tmp_path / "program.py").write_text(program[1])
    monkeypatch.chdir(tmp_path)
    batch = runpy.run_path("program.py")["batch"]
    (wanted,) = read_inputs([tmp_path / "photo.jpg"], prepare.fitted(read_graph(net[0])), (64, 64))
    assert batch.dtype == np.float32
    np.testing.assert_allclose(batch, wanted, atol=1e-5)


def test_calibration(net: tuple[Path, Path], sample: Path, tmp_path: Path) -> None:
    place = shutil.copytree(lmdb(sample, "colour"), tmp_path / "lmdb")
    options = {"head": "raw", "int8": True, "calibrate": place, "records": 2}
    made = deploy("onnx", *net, tmp_path / "out", GRAY, options=options)
    assert "whole numbers" in made.table["losses"]


def test_its_own_train_net(net: tuple[Path, Path], tmp_path: Path, run: Any) -> None:
    (tmp_path / "deploy.prototxt").write_bytes(net[0].read_bytes())
    (tmp_path / "train.prototxt").write_text(
        training_text("mean_value: 10 force_gray: true", classes=4)
    )
    (tmp_path / "a.jpg").write_bytes(jpeg(seed=3))
    for name in ("deploy", "train"):
        done = run("detect", tmp_path / f"{name}.prototxt", net[1], tmp_path / "a.jpg")
        assert done.status == 0, done.err


# ---- what does not fit ----


@pytest.mark.parametrize(
    ("channels", "mean", "what"),
    [
        (1, "104,117,123", "3 means (104,117,123), but the net's input has one channel, gray"),
        (1, "9,9,9", "3 means (9,9,9)"),
        (2, "0", "the net's input has 2 channels"),
        (4, "104,117,123", "the net's input has 4 channels"),
    ],
)
def test_channels_that_pictures_do_not_have(
    channels: int, mean: str, what: str, sample: Path, tmp_path: Path, run: Any
) -> None:
    net = write_detector(tmp_path, classes=4, channels=channels)
    (tmp_path / "a.jpg").write_bytes(jpeg())
    out = tmp_path / "out"
    picture, given = tmp_path / "a.jpg", ["--mean", mean]
    for engine in ("torch", "onnxruntime", "opencv"):
        done = run("detect", *net, picture, *given, "--engine", engine, "--draw", out)
        _refused(done, what, net[0])
    data = lmdb(sample, "colour")
    _refused(
        run("eval", data, "--deploy", net[0], "--weights", net[1], *given, "--out", out),
        what, net[0],
    )  # fmt: skip
    _refused(run("parity", *net, picture, *given), what, net[0])
    for profile in TARGETS.names():
        _refused(run("deploy", *net, *given, "--profile", profile, "-o", out), what, net[0])
    assert not out.exists()
    # Random values need no picture.
    assert run("parity", *net).status == 0
    assert run("time", *net, "--iterations", "1").status == 0


def _refused(done: Any, what: str, deploy: Path) -> None:
    assert done.status == 1, done.err
    first, second = done.err.splitlines()[-2:]
    assert first.startswith(f'error: {deploy}:3 (layer "data"): {what}'), done.err
    assert second.startswith("  ")


def test_the_old_form_has_a_line_too() -> None:
    text = 'name: "x"\ninput: "data" input_dim: 1 input_dim: 2 input_dim: 4 input_dim: 4\n'
    graph = parse_graph(text + 'layer { name: "r" type: "ReLU" bottom: "data" top: "r" }')
    with pytest.raises(InputError) as caught:
        GRAY.fitted(graph)
    assert caught.value.where == 'prototxt:2 (layer "input")'


# ---- no numbers ----


@pytest.fixture
def ill(tmp_path: Path) -> tuple[Path, Path]:
    """A net whose boxes are infinite in one map."""
    deploy, weights = write_detector(tmp_path, classes=4)
    layers = read_caffemodel(weights).layers
    for layer in layers:
        if layer.name == "loc2":
            layer.arrays[1][...] = 1e6
    write_caffemodel(weights, read_graph(deploy).net, layers)
    return deploy, weights


def strict(text: str) -> Any:
    def refuse(word: str) -> None:
        raise AssertionError(word)

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize("engine", ["torch", "onnxruntime"])
def test_what_is_no_number_is_left_out(
    engine: str, ill: tuple[Path, Path], tmp_path: Path, run: Any
) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(seed=3))
    args = ("detect", *ill, tmp_path / "a.jpg", *MEAN, "--threshold", "0", "--engine", engine)
    done = run(*args, "--json")
    (picture,) = strict(done.out)["pictures"]
    count = picture["left_out"]
    assert count > 0
    assert f"left out {count} detections with a score or box that is no number" in done.err
    numbers = [n for d in picture["detections"] for n in (d["score"], *d["box"])]
    assert numbers
    assert all(map(math.isfinite, numbers))
    assert "inf" not in run(*args).out


def test_engines_do_not_agree_by_what_is_no_number(
    ill: tuple[Path, Path], tmp_path: Path, run: Any
) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(seed=3))
    done = run("parity", *ill, tmp_path / "a.jpg", *MEAN, "--engines", "torch,torch", "--json")
    assert done.status == 1, done.err
    assert "outputs" in strict(done.out), done.out
    assert strict(done.out)["outputs"][0]["unmatched"] > 0


def test_eval_leaves_them_out(
    ill: tuple[Path, Path], sample: Path, tmp_path: Path, run: Any
) -> None:
    out = tmp_path / "out"
    args = ("--deploy", ill[0], "--weights", ill[1], *MEAN, "--json", "--out", out)
    done = run("eval", lmdb(sample, "colour"), *args)
    assert done.status == 0, done.err
    notes = strict(done.out)["notes"]
    assert any("not a number" in str(note) for note in notes)
    strict((out / "scores.json").read_text())
    for file in (out / "detections").iterdir():
        assert "inf" not in file.read_text()
        assert "nan" not in file.read_text()


def test_sound() -> None:
    boxes = np.float32([[0, 0, 1, 1], [0, 0, np.inf, 1], [0, 0, 1, 1], [np.nan, 0, 1, 1]])
    scores = np.float32([0.5, 0.4, np.nan, 0.2])
    found = Detections(np.int32([1, 2, 3, 4]), scores, boxes).sound()
    assert found.labels.tolist() == [1]


def test_frames_in_python(net: tuple[Path, Path]) -> None:
    """Colour pictures in memory are turned gray; three means are refused there, too."""
    engine = load_engine("torch", *net)
    picture = np.random.default_rng(0).integers(0, 256, (48, 64, 3)).astype(np.uint8)
    gray = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    one, two = detect(engine, [Frame("a", picture), Frame("b", gray)], GRAY)
    assert one.found is not None
    assert two.found is not None
    assert np.array_equal(one.found.boxes, two.found.boxes)
    with pytest.raises(InputError, match="3 means"):
        list(detect(engine, [Frame("a", picture)], Preprocessing((1, 2, 3))))
    assert detector_text(channels=1) != detector_text()


def test_pictures_of_other_channels_in_python(net: tuple[Path, Path]) -> None:
    engine = load_engine("opencv", *net)
    for shape in ((1, 3, 64, 64), (1, 64, 64)):
        with pytest.raises(InputError, match="the net's input has 1 channel\n"):
            engine.detect(np.zeros(shape, np.float32))


def test_pycaffe_by_a_stand_in(
    net: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Any
) -> None:
    module = ModuleType("caffe")
    module.Net = ssd_data.Net  # type: ignore[attr-defined]  # it has the face
    module.TEST = 1  # type: ignore[attr-defined]
    module.set_mode_cpu = lambda: None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "caffe", module)
    (tmp_path / "a.jpg").write_bytes(jpeg(seed=3))
    train = tmp_path / "train.prototxt"
    train.write_text(training_text("mean_value: 10 scale: 0.0078 force_gray: true", classes=4))
    for given in (net[0], train):
        args = (given, net[1], tmp_path / "a.jpg", *MEAN, "--engines", "torch,caffe")
        done = run("parity", *args)
        assert done.status == 0, done.err + done.out
