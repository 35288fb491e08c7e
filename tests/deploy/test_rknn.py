"""Nets for RKNN: what lies in the folder, that it runs, what is measured, and what is refused.

By a stand-in for rknn-toolkit2, and by the interpreter that ``RKNN_PYTHON`` names, if it does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.foreign import rknn_interpreter, toolkit_python
from support.nets import EDGES, detector_text, with_edge, write_detector

from ssd_data.core.errors import InputError, OutputError, UsageError
from ssd_data.core.labelmap import LabelMap, write_labelmap
from ssd_data.deploy import DeployedNet, deploy
from ssd_data.deploy.npu_pictures import as_pictures
from ssd_data.deploy.targets.rknn import RknnOptions
from ssd_data.engines import load_engine
from ssd_data.engines.torch.randomise import write_random_weights
from ssd_data.nets.prepare import prepare
from ssd_data.nets.preprocessing import Preprocessing

pytest.importorskip("onnxruntime")
PREPARE = Preprocessing((104, 117, 123), 0.01)


@pytest.fixture(params=["stand-in", "real"])
def python(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return toolkit_python(
        request.param, "RKNN_PYTHON", lambda: rknn_interpreter(tmp_path), monkeypatch
    )


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_detector(tmp_path_factory.mktemp("net"))


def ship(
    files: tuple[Path, Path], out: Path, prepare: Preprocessing = PREPARE, **options: Any
) -> DeployedNet:
    names = LabelMap.from_names(["cat", "dog"])
    return deploy("rknn", *files, out, prepare, options=options, labelmap=names)


# A board's runtime, of the file that the stand-in wrote.
LITE = """
import numpy as np, onnx, onnxruntime
class RKNNLite:
    def load_rknn(self, path):
        model = open(path, "rb").read().removeprefix(b"RKNN rk3588")
        self.ran = onnxruntime.InferenceSession(model)
        return 0
    def init_runtime(self):
        return 0
    def inference(self, inputs):
        (picture,) = inputs
        assert picture.dtype == np.uint8 and picture.shape == (1, 64, 64, 3)
        values = (picture.astype(np.float32) - np.float32([104, 117, 123])) * np.float32(0.01)
        values = np.ascontiguousarray(values.transpose(0, 3, 1, 2))
        return self.ran.run(None, {"data": values})
    def release(self):
        pass
"""


def test_the_net_and_its_example(
    net: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RKNN_PYTHON", str(rknn_interpreter(tmp_path)))
    ship(net, tmp_path / "out")
    (tmp_path / "board" / "rknnlite").mkdir(parents=True)
    (tmp_path / "board" / "rknnlite" / "__init__.py").write_text("")
    (tmp_path / "board" / "rknnlite" / "api.py").write_text(LITE)
    picture = np.random.default_rng(5).integers(0, 256, (90, 120, 3)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "p.png"), picture)
    call = [sys.executable, "example.py", str(tmp_path / "p.png")]
    done = subprocess.run(
        call, cwd=tmp_path / "out", capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "board")},
    )  # fmt: skip
    printed = sorted(line.split()[1:] for line in done.stdout.splitlines())
    engine = load_engine("torch", *net, device="cpu")
    (found,) = engine.detect(PREPARE.apply(picture, (64, 64))[None])
    wanted = sorted(
        [["", "cat", "dog"][label], f"{score:.3f}", *(str(round(float(v))) for v in box)]
        for label, score, box in zip(
            found.labels, found.scores, found.boxes * [120, 90, 120, 90], strict=True
        )
    )
    assert len(wanted) > 10
    assert [row[0] for row in printed] == [row[0] for row in wanted]
    ours, theirs = (np.array([row[1:] for row in rows], float) for rows in (printed, wanted))
    assert np.abs(ours - theirs).max() <= 1
    assert len((tmp_path / "out" / "example.py").read_text().splitlines()) < 35


def test_what_lies_in_the_folder(python: Path, net: tuple[Path, Path], tmp_path: Path) -> None:
    made = ship(net, tmp_path / "out")
    table = json.loads((tmp_path / "out" / "preprocess.json").read_text())
    assert made.files == [
        "README.md", "example.py", "net.rknn", "postprocess.py", "preprocess.json", "priors.npy",
    ]  # fmt: skip
    assert (tmp_path / "out" / "net.rknn").read_bytes().startswith(b"RKNN")
    assert table["net"]["chip"] == "rk3588"
    given = table["input"]
    assert (given["layout"], given["shape"], given["type"]) == ("NHWC", [1, 64, 64, 3], "uint8")
    assert table["net"]["maps"] == {
        "locations": ["loc1/Conv", "loc2/Conv"],
        "confidences": ["conf1/Conv", "conf2/Conv"],
    }
    assert {name: one["shape"] for name, one in table["outputs"].items()} == {
        "loc1/Conv": [1, 8, 16, 16], "loc2/Conv": [1, 8, 8, 8],
        "conf1/Conv": [1, 6, 16, 16], "conf2/Conv": [1, 6, 8, 8],
    }  # fmt: skip
    (loss,) = table["losses"].values()
    assert loss["found_again"] >= 0.9 * loss["detections"] > 5
    assert 0 < loss["locations_relative"] < 0.01
    assert [proof["output"] for proof in table["proofs"]] == [
        "locations", "confidences", "detections",
    ]  # fmt: skip
    page = (tmp_path / "out" / "README.md").read_text()
    assert "`data`: uint8, 1 x 64 x 64 x 3 (batch, height, width, channels)." in page
    assert "the net subtracts the mean of each channel (104, 117, 123) and multiplies by 0" in page
    assert "rows = detector(*detector.joined(outputs))" in page
    assert "on no chip" in page


def test_gray_nets(python: Path, tmp_path: Path) -> None:
    files = write_detector(tmp_path, channels=1)
    made = ship(files, tmp_path / "out", Preprocessing((110,), 0.02))
    assert made.table["input"]["shape"] == [1, 64, 64, 1]
    (loss,) = made.table["losses"].values()
    assert loss["found_again"] >= 0.9 * loss["detections"] > 5


@pytest.mark.parametrize("case", EDGES)
def test_detection_output_in_all_its_kinds(python: Path, tmp_path: Path, case: str) -> None:
    files = tmp_path / "deploy.prototxt", tmp_path / "net.caffemodel"
    files[0].write_text(with_edge(detector_text(), case))
    write_random_weights(*files)
    made = ship(files, tmp_path / "out")
    (loss,) = made.table["losses"].values()
    least = 0.5 if case == "corners" else 0.9  # random corners: boxes of next to no size
    assert loss["found_again"] >= least * loss["detections"] > 5
    assert loss["locations_relative"] < 0.01
    assert loss["confidences_relative"] < 0.01
    assert all(proof.within(1e-3) for proof in made.proofs)


def test_pictures_are_what_a_batch_was_made_of(net: tuple[Path, Path]) -> None:
    for scale in (1.0, 0.007843, 3.3):
        sizes = load_engine("torch", *net, device="cpu").map_sizes()
        made = prepare(*net, Preprocessing((104, 117, 123.68), scale), None, sizes)
        picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
        batch = made.preprocessing.apply(picture, None)[None]
        assert (as_pictures(made, batch)[0] == picture).all()


def test_int8(python: Path, lmdb: Path, tmp_path: Path, run: Any) -> None:
    files = tmp_path / "deploy.prototxt", tmp_path / "net.caffemodel"
    files[0].write_text(detector_text(4))
    write_random_weights(*files)
    write_labelmap(LabelMap.from_names(["a", "b", "c"]), tmp_path / "labelmap.prototxt")
    out = tmp_path / "out"
    done = run(
        "deploy", *files, "--profile", "rknn", "--chip", "rv1106", "-o", out, "--int8",
        "--calibrate", lmdb, "--records", 4, "--score", lmdb, "--draw-worst", 2,
        "--rknn-python", python, "--mean", "104,117,123", "--scale", "0.01", "--json",
    )  # fmt: skip
    assert done.status == 0, done.err
    assert not done.err.strip()
    loss = done.json["losses"]["whole numbers, in rknn-toolkit2's simulator"]
    assert loss["found_again"] > 0.5 * loss["detections"] > 0
    score = done.json["losses"][f"mAP on {lmdb.name}"]
    assert score["records"] == 6
    errors = done.json["net"]["layer_errors"]
    assert list(errors) == ["conv1", "conv2", "loc1", "conf1", "loc2", "conf2"]
    assert all(0 < error < 0.3 for error in errors.values()), errors
    page = (out / "README.md").read_text()
    assert "calibrated on 4 records of" in page
    assert "furthest off by that: " in page
    assert 1 <= len(list((out / "worst").iterdir())) <= 2


# ---- what is refused ----


def test_chips_that_take_whole_numbers_alone() -> None:
    with pytest.raises(UsageError, match="rv1103b takes whole numbers alone"):
        RknnOptions(chip="rv1103b")
    with pytest.raises(UsageError, match="says how large values get"):
        RknnOptions(int8=True)


def test_no_interpreter_is_a_sentence(
    net: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RKNN_PYTHON", raising=False)
    with pytest.raises(UsageError) as caught:
        ship(net, tmp_path / "out")
    assert caught.value.where == "--rknn-python"
    assert not (tmp_path / "out").exists()
    with pytest.raises(UsageError, match="is no interpreter"):
        ship(net, tmp_path / "out", rknn_python=tmp_path)


def test_another_net_is_not_written(
    net: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RKNN_PYTHON", str(rknn_interpreter(tmp_path)))
    monkeypatch.setenv("RKNN_FAILS", "other")
    with pytest.raises(OutputError, match="not the same net, nothing was written"):
        ship(net, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    monkeypatch.setenv("RKNN_FAILS", "raise")
    with pytest.raises(InputError, match="this layer is odd"):
        ship(net, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_unproven_is_said(
    net: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Any
) -> None:
    monkeypatch.setenv("RKNN_PYTHON", str(rknn_interpreter(tmp_path)))
    done = run("deploy", *net, "--profile", "rknn", "-o", tmp_path / "out", "--mean", "9,9,9",
               "--unproven")  # fmt: skip
    assert done.status == 0, done.err
    assert "nothing shows that it gives what the net gives" in done.out
