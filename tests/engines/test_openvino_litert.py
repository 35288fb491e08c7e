"""OpenVINO and LiteRT as engines: whole nets, batches, other sizes, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.nets import write_detector

from ssd_data.core.errors import InputError, UsageError
from ssd_data.engines import load_engine
from ssd_data.engines.torch.randomise import write_random_weights
from ssd_data.evaluation.compare import compare_engines

MODULES = {"openvino": "openvino", "litert": "ai_edge_litert"}


@pytest.fixture(params=sorted(MODULES))
def engine(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(MODULES[request.param])
    return str(request.param)


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_detector(tmp_path_factory.mktemp("detector"))


def test_it_agrees(engine: str, detector: tuple[Path, Path]) -> None:
    engines = [load_engine(name, *detector, device="cpu") for name in ("torch", engine)]
    random = np.random.default_rng(0)
    shapes = [(1, 3, 64, 64), (3, 3, 64, 64), (1, 3, 96, 80)]
    batches = [random.uniform(-1, 1, shape).astype(np.float32) for shape in shapes]
    (difference,) = compare_engines(engines, batches)
    assert difference.engine == engine
    assert difference.compared > 50
    assert difference.within(1e-5)


def test_what_it_gives_stays_as_it_is(engine: str, detector: tuple[Path, Path]) -> None:
    """Arrays of an earlier run are not the runtime's own memory, which the next one fills."""
    loaded = load_engine(engine, *detector)
    random = np.random.default_rng(0)
    first, second = (random.uniform(-1, 1, (1, 3, 64, 64)).astype(np.float32) for _ in range(2))
    (kept,) = loaded.forward(first).values()
    before = kept.copy()
    loaded.forward(second)
    assert (kept == before).all()


def test_several_outputs_and_none_that_is_detections(engine: str, tmp_path: Path) -> None:
    text = """
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 9 dim: 8 } } }
layer { name: "c" type: "Convolution" bottom: "data" top: "c"
  convolution_param { num_output: 4 kernel_size: 3 stride: 2 } }
layer { name: "s" type: "Slice" bottom: "c" top: "first" top: "second" slice_param { axis: 1 } }
"""
    files = tmp_path / "deploy.prototxt", tmp_path / "net.caffemodel"
    files[0].write_text(text)
    write_random_weights(*files)
    engines = [load_engine(name, *files, device="cpu") for name in ("torch", engine)]
    value = np.random.default_rng(0).normal(size=(2, 3, 9, 8)).astype(np.float32)
    found = compare_engines(engines, [value])
    assert [one.output for one in found] == ["first", "second"]
    assert all(one.within(1e-5) and one.largest < 1e-4 and one.compared for one in found)


def test_nothing_found_is_a_row_a_picture(engine: str, detector: tuple[Path, Path]) -> None:
    loaded = load_engine(engine, *detector, threshold=2.0)
    (rows,) = loaded.forward(np.zeros((2, 3, 64, 64), np.float32)).values()
    assert rows[0, 0, :, :2].tolist() == [[0, -1], [1, -1]]


def test_what_is_refused(engine: str, detector: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="runs on the CPU, in single precision"):
        load_engine(engine, *detector, half=True)
    odd = tmp_path / "odd.prototxt"
    odd.write_text(
        detector[0].read_text()
        + 'layer { name: "odd" type: "ArgMax" bottom: "conf_rows" top: "odd" }'
    )
    with pytest.raises(InputError, match='type "ArgMax" cannot be written') as caught:
        load_engine(engine, odd, detector[1])
    assert 'layer "odd"' in str(caught.value.where)


@pytest.mark.parametrize("name", sorted(MODULES))
@pytest.mark.parametrize("module", ["onnx", "own"])
def test_a_missing_package_is_a_sentence(
    name: str, module: str, detector: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = MODULES[name] if module == "own" else module
    if module == "own":
        pytest.importorskip("onnx")
    for one in [key for key in sys.modules if key.split(".")[0] == gone]:
        monkeypatch.delitem(sys.modules, one)
    monkeypatch.setitem(sys.modules, gone, None)
    with pytest.raises(UsageError) as caught:
        load_engine(name, *detector)
    assert f"pip install 'ssd-data[{name}]'" in caught.value.hint


def test_threads_go_by_the_environment(
    engine: str, detector: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for given in ("1", "2", "none of that", ""):
        monkeypatch.setenv("OMP_NUM_THREADS", given)
        load_engine(engine, *detector)


STOPPED = """
import gc, os, signal, sys, threading
from ssd_data.engines import load_engine
for _ in range(3):
    load_engine("openvino", *sys.argv[1:])
    gc.collect()
assert not any(name.startswith("openvino_telemetry.") for name in sys.modules)
try:
    os.kill(os.getpid(), signal.SIGINT)
    threading.Event().wait(5)
except KeyboardInterrupt:
    print("stopped")
"""


def test_it_can_be_stopped_and_tells_nobody(detector: tuple[Path, Path]) -> None:
    """OpenVINO's plugin leaves a stack for signals that is gone where it is unloaded."""
    pytest.importorskip("openvino")
    call = [sys.executable, "-c", STOPPED, *map(str, detector)]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "stopped\n"), done.stderr
