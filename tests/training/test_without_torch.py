"""What a machine without PyTorch can do: train on a real Caffe, and be told what else it needs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import GOLDEN, ROOT
from support.standin import write_standin

BLOCKED = "import sys; sys.modules['torch'] = None; from ssd_data.cli import main; main()"


def ssd_data(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BLOCKED, *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "run"
    shutil.copytree(GOLDEN / "training", folder, ignore=shutil.ignore_patterns("*_iter_*"))
    shutil.copytree(folder / "lmdb", folder / "lmdb_test")
    monkeypatch.chdir(folder)
    return folder


def test_a_real_caffe_trains() -> None:
    write_standin(Path("bin/caffe"))
    ended = ssd_data("train", "solver_sgd.prototxt", "--engine", "caffe", "--caffe", "bin/caffe")
    assert ended.returncode == 0, ended.stderr
    assert "Iteration 0, loss = 25.0168" in ended.stderr
    assert "shapes and weights are not checked: that needs PyTorch" in ended.stderr
    assert "sgd_iter_120.caffemodel" in ended.stdout
    for name in ("sgd.log", "sgd.jsonl", "sgd_curves.png", "sgd_iter_120.solverstate"):
        assert Path(name).is_file()


def test_it_goes_on_from_a_snapshot() -> None:
    for ending in ("caffemodel", "solverstate"):
        shutil.copy(GOLDEN / "training" / f"sgd_iter_60.{ending}", ".")
    binary = write_standin(Path("bin/caffe"))
    given = ["--engine", "caffe", "--caffe", str(binary), "--resume", "auto", "--json"]
    ended = ssd_data("train", "solver_sgd.prototxt", *given)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["resumed"] == "sgd_iter_60.solverstate"
    assert (
        "--snapshot=sgd_iter_60.solverstate" in json.loads(Path("called.json").read_text())["argv"]
    )


def test_its_python_module_is_driven_without_pytorch() -> None:
    code = "import sys; sys.modules['torch'] = None; import ssd_data.training.caffe.pycaffe"
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )


def test_the_embedded_engine_says_what_it_needs() -> None:
    ended = ssd_data("train", "solver_sgd.prototxt")
    assert ended.returncode == 2
    assert "this needs PyTorch" in ended.stderr
    assert "pip install 'ssd-data[torch]'" in ended.stderr
