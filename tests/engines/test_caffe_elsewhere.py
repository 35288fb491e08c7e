"""pycaffe in another interpreter, as the engine ``caffe``: a stand-in, and the one that
``CAFFE_PYTHON`` names, if it does."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from support.foreign import BUILT_FOR_OTHERS, interpreter
from support.nets import write_detector

from ssd_data.core.errors import InputError, UsageError
from ssd_data.engines import load_engine
from ssd_data.evaluation.compare import compare_engines

REAL = os.environ.get("CAFFE_PYTHON", "")
# This package in pycaffe's place; it ends its process as Caffe does, and lacks a layer.
PYCAFFE = """
import os
import sys
from ssd_data import TEST, Net as _Net, set_mode_cpu
def layer_type_list():
    known = "Input Convolution BatchNorm Scale ReLU Permute Flatten PriorBox Concat Reshape"
    return (known + " Softmax DetectionOutput").split()
def Net(deploy, weights, phase):
    print("I1128 a net is made")
    if os.environ.get("CAFFE_ENDS"):
        fatal = "F1128 03:00:00.1 77 net.cpp:9] Check failed: a == b (1 vs. 2) no such blob"
        print(fatal, file=sys.stderr, flush=True)
        print("*** Check failure stack trace: ***", file=sys.stderr, flush=True)
        os.abort()
    return _Net(deploy, weights, phase)
"""


@pytest.fixture(params=["stand-in", "real"])
def python(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if request.param == "real" and not REAL:
        pytest.skip("CAFFE_PYTHON names no interpreter with pycaffe")
    if request.param == "real":
        return Path(REAL)
    (tmp_path / "root" / "python" / "caffe").mkdir(parents=True)
    (tmp_path / "root" / "python" / "caffe" / "__init__.py").write_text(PYCAFFE)
    monkeypatch.setenv("CAFFE_ROOT", str(tmp_path / "root"))
    found = interpreter(tmp_path, {}, {})
    monkeypatch.setenv("CAFFE_PYTHON", str(found))
    return found


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_detector(tmp_path_factory.mktemp("detector"))


def test_it_agrees(python: Path, detector: tuple[Path, Path]) -> None:
    engines = [load_engine(name, *detector, device="cpu") for name in ("torch", "caffe")]
    random = np.random.default_rng(0)
    shapes = [(1, 3, 64, 64), (3, 3, 64, 64), (1, 3, 96, 80)]
    batches = [random.uniform(-1, 1, shape).astype(np.float32) for shape in shapes]
    (difference,) = compare_engines(engines, batches)
    assert difference.engine == "caffe"
    assert difference.compared > 50
    assert difference.within(1e-5)


def test_relative_paths_and_thresholds(
    python: Path, detector: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(detector[0].parent)
    files = [Path(path.name) for path in detector]
    batch = np.zeros((1, 3, 64, 64), np.float32)
    (every,) = load_engine("caffe", *files, threshold=0.0).detect(batch)
    (some,) = load_engine("caffe", *files, threshold=0.4).detect(batch)
    assert every.scores.min() < 0.4 < some.scores.max()
    assert (every.scores > 0.4).sum() == (some.scores > 0.4).sum()


def test_layers_that_it_lacks(python: Path, detector: tuple[Path, Path], tmp_path: Path) -> None:
    odd = tmp_path / "odd.prototxt"
    odd.write_text(
        detector[0].read_text() + 'layer { name: "p" type: "Mish2" bottom: "conf" top: "p" }'
    )
    with pytest.raises(InputError, match='this Caffe has no layer of type "Mish2"'):
        load_engine("caffe", odd, detector[1])


def test_where_caffe_ends_its_process_ours_goes_on(
    detector: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modules = {"caffe/__init__.py": PYCAFFE}
    monkeypatch.setenv("CAFFE_PYTHON", str(interpreter(tmp_path, modules, {})))
    monkeypatch.delenv("CAFFE_ROOT", raising=False)
    monkeypatch.setenv("CAFFE_ENDS", "1")
    with pytest.raises(InputError, match=r"cannot take this net: .*Check failed: a == b \(1 vs"):
        load_engine("caffe", *detector)


@pytest.mark.parametrize(("module", "what", "needs"), BUILT_FOR_OTHERS)
def test_one_that_was_built_for_others_is_one_sentence(
    detector: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    module: str,
    what: str,
    needs: str,
) -> None:
    monkeypatch.delenv("CAFFE_ROOT", raising=False)
    python = interpreter(tmp_path, {"caffe/__init__.py": module}, {})
    monkeypatch.setenv("CAFFE_PYTHON", str(python))
    with pytest.raises(UsageError, match=f"^CAFFE_PYTHON: pycaffe {what}") as error:
        load_engine("caffe", *detector)
    assert needs in error.value.hint
    assert str(python) in error.value.what


def test_none_there_and_the_empty_package(
    detector: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CAFFE_ROOT", raising=False)
    monkeypatch.setenv("CAFFE_PYTHON", str(interpreter(tmp_path / "a", {}, {})))
    with pytest.raises(UsageError, match="No module named 'caffe'") as caught:
        load_engine("caffe", *detector)
    assert "CAFFE_ROOT" in caught.value.hint
    empty = interpreter(tmp_path / "b", {"caffe/__init__.py": ""}, {})
    monkeypatch.setenv("CAFFE_PYTHON", str(empty))
    with pytest.raises(UsageError, match="is not pycaffe"):
        load_engine("caffe", *detector)
