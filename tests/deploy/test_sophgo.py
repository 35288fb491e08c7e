"""Nets for Sophgo's chips: what lies in the folder, that it runs, what is measured and refused.

By a stand-in for TPU-MLIR, and by the interpreter that ``TPU_MLIR_PYTHON`` names, if it does.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.foreign import toolkit_python, tpu_mlir_interpreter
from support.nets import write_detector

from ssd_data.core.errors import InputError, OutputError, UsageError
from ssd_data.core.labelmap import LabelMap
from ssd_data.deploy import DeployedNet, deploy
from ssd_data.deploy.targets.sophgo import SophgoOptions
from ssd_data.engines import load_engine
from ssd_data.nets.preprocessing import Preprocessing

PREPARE = Preprocessing((104, 117, 123), 0.01)


@pytest.fixture(params=["stand-in", pytest.param("real", marks=pytest.mark.slow)])
def python(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return toolkit_python(
        request.param, "TPU_MLIR_PYTHON", lambda: tpu_mlir_interpreter(tmp_path), monkeypatch
    )


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TPU_MLIR_PYTHON", str(tpu_mlir_interpreter(tmp_path)))


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_detector(tmp_path_factory.mktemp("net"))


def ship(files: tuple[Path, Path], out: Path, **options: Any) -> DeployedNet:
    names = LabelMap.from_names(["cat", "dog"])
    return deploy("sophgo", *files, out, PREPARE, options=options, labelmap=names)


def test_single_precision_has_to_agree(
    python: Path, net: tuple[Path, Path], tmp_path: Path
) -> None:
    made = ship(net, tmp_path / "out")
    assert made.files == [
        "README.md", "example.py", "net.bmodel", "postprocess.py", "preprocess.json", "priors.npy",
    ]  # fmt: skip
    assert [proof.output for proof in made.proofs] == ["locations", "confidences", "detections"]
    assert all(proof.within(1e-3) and proof.compared for proof in made.proofs)
    assert not made.table["losses"]
    assert list(made.table["outputs"]) == ["loc", "conf"]
    assert made.table["input"]["shape"] == [1, 3, 64, 64]
    page = (tmp_path / "out" / "README.md").read_text()
    assert "in TPU-MLIR's emulator of the chip, on no chip" in page


def test_lower_precision_is_measured(
    python: Path, net: tuple[Path, Path], lmdb: Path, tmp_path: Path
) -> None:
    for name, options in {
        "half precision": {"half": True},
        "whole numbers": {"int8": True, "calibrate": lmdb, "records": 4, "processor": "bm1688"},
    }.items():
        made = ship(net, tmp_path / name, **options)
        loss = made.table["losses"][name]
        assert loss["found_again"] > 0.5 * loss["detections"] > 5
        assert 0 < loss["locations_relative"] < 0.3
        assert "TPU-MLIR, in single precision" in {proof.engine for proof in made.proofs}
    assert "calibrated on 4 records of" in (tmp_path / name / "README.md").read_text()
    assert made.table["net"]["chip"] == "bm1688"


# A board's runtime, of the file that the stand-in wrote.
SAIL = """
import numpy as np
from ssd_data import TEST, Net
class IOMode:
    SYSIO = 0
class Engine:
    def __init__(self, file, device, mode):
        assert open(file).read()
        self.net = Net(FILES, TEST)
    def get_graph_names(self):
        return ["net"]
    def get_input_names(self, graph):
        return list(self.net.inputs)
    def process(self, graph, given):
        ((name, value),) = given.items()
        assert value.shape == (1, 3, 64, 64) and value.dtype == np.float32
        self.net.blobs[name].data[...] = value
        self.net.forward()
        held = {key: self.net.blobs[key].data.reshape(1, -1) for key in ("conf", "loc")}
        return {key + "_f32": value for key, value in held.items()}
"""


@pytest.mark.usefixtures("stand_in")
def test_its_example(net: tuple[Path, Path], tmp_path: Path) -> None:
    ship(net, tmp_path / "out")
    (tmp_path / "board" / "sophon").mkdir(parents=True)
    files = ", ".join(repr(str(path)) for path in net)
    (tmp_path / "board" / "sophon" / "sail.py").write_text(SAIL.replace("FILES", files))
    picture = np.random.default_rng(5).integers(0, 256, (90, 120, 3)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "p.png"), picture)
    done = subprocess.run(
        [sys.executable, "example.py", str(tmp_path / "p.png")],
        cwd=tmp_path / "out", capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "board")},
    )  # fmt: skip
    printed = sorted(line.split()[1:3] for line in done.stdout.splitlines())
    engine = load_engine("torch", *net, device="cpu")
    (found,) = engine.detect(PREPARE.apply(picture, (64, 64))[None])
    names = ["", "cat", "dog"]
    wanted = zip(found.labels, found.scores, strict=True)
    assert printed == sorted([names[label], f"{score:.3f}"] for label, score in wanted)
    assert len(printed) > 10


# ---- what is refused ----


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize(
    ("fails", "error", "says"),
    [
        ("transform", InputError, "TPU-MLIR cannot take this net: RuntimeError: "),
        ("emulator", OutputError, "net.bmodel gives other values in the chip's emulator"),
    ],
)
def test_what_fails_is_not_written(
    net: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fails: str,
    error: type[Exception],
    says: str,
) -> None:
    monkeypatch.setenv("TPU_FAILS", fails)
    with pytest.raises(error, match=says):
        ship(net, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_options_and_interpreters(
    net: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="exclude each other"):
        SophgoOptions(half=True, int8=True, calibrate=tmp_path)
    monkeypatch.delenv("TPU_MLIR_PYTHON", raising=False)
    with pytest.raises(UsageError, match="environment of its own") as caught:
        ship(net, tmp_path / "out")
    assert caught.value.where == "--tpu-mlir-python"
