"""RKNN's simulator as an engine, in another interpreter: a stand-in, and the one that
``RKNN_PYTHON`` names, if it does."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from support.foreign import interpreter, rknn_interpreter, toolkit_python
from support.nets import write_detector

from ssd_data.core.errors import InputError, UsageError
from ssd_data.engines import load_engine
from ssd_data.engines._foreign import Child
from ssd_data.engines._toolkits import RKNN
from ssd_data.engines.torch.randomise import write_random_weights
from ssd_data.evaluation.compare import compare_values

pytest.importorskip("onnxruntime")


@pytest.fixture(params=["stand-in", "real"])
def python(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return toolkit_python(
        request.param, "RKNN_PYTHON", lambda: rknn_interpreter(tmp_path), monkeypatch
    )


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_detector(tmp_path_factory.mktemp("detector"))


def test_it_is_near(python: Path, detector: tuple[Path, Path]) -> None:
    own, other = (load_engine(name, *detector, device="cpu") for name in ("torch", "rknn-sim"))
    random = np.random.default_rng(0)
    for shape in ((3, 3, 64, 64), (1, 3, 96, 80)):
        batch = random.uniform(-1, 1, shape).astype(np.float32)
        ours, theirs = own.detect(batch), other.detect(batch)
        for a, b in zip(ours, theirs, strict=True):
            assert len(a) > 10
            assert abs(len(a) - len(b)) <= 3
            np.testing.assert_allclose(np.sort(a.scores)[-5:], np.sort(b.scores)[-5:], atol=5e-3)


def test_several_outputs_and_none_that_is_detections(python: Path, tmp_path: Path) -> None:
    text = """
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 9 dim: 8 } } }
layer { name: "c" type: "Convolution" bottom: "data" top: "c"
  convolution_param { num_output: 4 kernel_size: 3 stride: 2 } }
layer { name: "p" type: "Permute" bottom: "c" top: "p"
  permute_param { order: 0 order: 2 order: 3 order: 1 } }
layer { name: "f" type: "Flatten" bottom: "p" top: "f" }
layer { name: "s" type: "Slice" bottom: "c" top: "first" top: "second" slice_param { axis: 1 } }
"""
    files = tmp_path / "deploy.prototxt", tmp_path / "net.caffemodel"
    files[0].write_text(text)
    write_random_weights(*files)
    engines = [load_engine(name, *files, device="cpu") for name in ("torch", "rknn-sim")]
    value = np.random.default_rng(0).normal(size=(2, 3, 9, 8)).astype(np.float32)
    ours, theirs = (engine.forward(value) for engine in engines)
    assert set(ours) == set(theirs) == {"f", "first", "second"}
    for name in ours:
        assert compare_values(name, "rknn-sim", [(ours[name], theirs[name])]).relative < 5e-3


def test_nothing_is_left_behind(python: Path, detector: tuple[Path, Path]) -> None:
    engine = load_engine("rknn-sim", *detector)
    engine.forward(np.zeros((1, 3, 64, 64), np.float32))
    children = _children()
    assert children
    del engine
    gc.collect()
    assert not _children() & children


def _children() -> set[str]:
    held = [path.read_text().split() for path in Path("/proc/self/task").glob("*/children")]
    lines = {pid: Path("/proc", pid, "cmdline").read_bytes() for pids in held for pid in pids}
    return {pid for pid, line in lines.items() if b"serve.py" in line}


KILLED = """
import os, sys, time
from ssd_data.engines._foreign import Child
from ssd_data.engines._toolkits import RKNN
child = Child(RKNN)
print(child._process.pid, flush=True)
child.ask("version")
os.kill(os.getpid(), 9)
"""


def test_it_ends_with_whoever_began_it(python: Path) -> None:
    """Also where that is killed while it says nothing to it."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED], capture_output=True, text=True, check=False
    )
    assert done.returncode == -9, done.stderr
    held = Path("/proc") / done.stdout.strip()
    for _ in range(200):
        if not held.exists() or "Z" in (held / "stat").read_text().split(")")[1][:3]:
            return
        time.sleep(0.05)
    pytest.fail("it is still there")


def test_its_version(python: Path) -> None:
    words, arrays = Child(RKNN).ask("version")
    assert words["version"]
    assert not arrays


# ---- what is refused ----


def test_no_interpreter_is_a_sentence(
    detector: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("RKNN_PYTHON", raising=False)
    with pytest.raises(UsageError, match="environment of its own") as caught:
        load_engine("rknn-sim", *detector)
    assert "RKNN_PYTHON=/path/to/python" in caught.value.hint
    monkeypatch.setenv("RKNN_PYTHON", str(tmp_path / "none"))
    with pytest.raises(UsageError, match="none is no interpreter"):
        load_engine("rknn-sim", *detector)


def test_an_interpreter_without_the_toolkit(
    detector: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RKNN_PYTHON", str(interpreter(tmp_path, {}, {})))
    with pytest.raises(UsageError, match="No module named 'rknn'") as caught:
        load_engine("rknn-sim", *detector)
    assert "pip install rknn-toolkit2" in caught.value.hint


@pytest.mark.parametrize("program", ["exit 0", "echo serve.py", "echo 7", "echo '{}'"])
def test_what_is_no_python_at_all(
    detector: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    (tmp_path / "python").write_text(f"#!/bin/sh\n{program}\n")
    (tmp_path / "python").chmod(0o755)
    monkeypatch.setenv("RKNN_PYTHON", str(tmp_path / "python"))
    with pytest.raises(InputError, match="cannot take this net: it says nothing"):
        load_engine("rknn-sim", *detector)


@pytest.mark.parametrize(
    ("fails", "says"),
    [
        ("raise", "ValueError: this layer is odd!"),
        ("status", "E build: no such chip"),
        ("dies", "it says nothing|I rknn-toolkit2 version"),
    ],
)
def test_what_the_toolkit_says(
    detector: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    fails: str,
    says: str,
) -> None:
    monkeypatch.setenv("RKNN_PYTHON", str(rknn_interpreter(tmp_path)))
    monkeypatch.setenv("RKNN_FAILS", fails)
    with pytest.raises(
        InputError, match=f"rknn-toolkit2 cannot take this net: (?:{says})"
    ) as caught:
        load_engine("rknn-sim", *detector)
    assert str(caught.value.where) == str(detector[0])


def test_other_devices_are_refused(detector: tuple[Path, Path]) -> None:
    with pytest.raises(UsageError, match="simulates a chip on the CPU"):
        load_engine("rknn-sim", *detector, device="cuda")
