"""``--engine caffe``: a stand-in executable and a fake module instead of a Caffe."""

from __future__ import annotations

import json
import signal
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import GOLDEN
from support.standin import SOLVER, write_standin

from ssd_data.core.errors import UsageError
from ssd_data.training.caffe.binary import CaffeError, run_caffe
from ssd_data.training.caffe.finding import find_binary
from ssd_data.training.caffe.log import parse_log
from ssd_data.training.log import Displayed, Event, Snapshotted
from ssd_data.training.log import Tested as Scores


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CAFFE_ROOT", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delitem(sys.modules, "caffe", raising=False)
    Path("solver.prototxt").write_text(SOLVER)
    return tmp_path


def called() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(Path("called.json").read_text())
    return table


class Asking:
    """Asks to stop once an event of that iteration was told; ``times`` times."""

    def __init__(self, iteration: int, times: int = 1) -> None:
        self.iteration, self.times, self.told = iteration, times, -1
        self.events: list[Event] = []

    def listen(self, event: Event) -> None:
        self.events.append(event)
        self.told = event.iteration

    def __call__(self) -> int:
        return self.times if self.told >= self.iteration else 0


# ---- the executable ----


@pytest.mark.parametrize("kind", ["sgd", "rmsprop"])
def test_events_and_log_are_the_golden_run(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    events: list[Event] = []
    there: list[bool] = []

    def listen(event: Event) -> None:
        events.append(event)
        if isinstance(event, Snapshotted):
            there.append(event.model.is_file() and event.state.is_file())

    binary = write_standin(Path("bin/caffe"), kind)
    done = run_caffe("solver.prototxt", binary=binary, listeners=[listen])
    assert done == 120
    log = GOLDEN / "training" / f"caffe_{kind}.log"
    assert events == parse_log(log)
    assert there == [True, True]
    lines = capsys.readouterr().err.splitlines(keepends=True)
    assert [s for s in lines if "Snapshotting" not in s] == [
        s for s in log.read_text().splitlines(keepends=True) if "Snapshotting" not in s
    ]


def test_its_log_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    run_caffe("solver.prototxt", binary=write_standin(Path("bin/caffe")))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("solver.cpp:243] Iteration 0, loss = 25.0168\n") == 1


def test_the_call_and_the_working_folder(folder: Path) -> None:
    binary = write_standin(Path("bin/caffe"))
    weights = [Path("a.caffemodel"), Path("b c.caffemodel")]
    run_caffe("solver.prototxt", binary=binary, weights=weights, device="cuda:0,1")
    wanted = ["--solver=solver.prototxt", "--weights=a.caffemodel,b c.caffemodel", "--gpu=0,1"]
    assert called()["argv"] == ["train", *wanted]
    assert called()["cwd"] == str(folder)
    run_caffe("solver.prototxt", binary=binary, resume=Path("x.solverstate"))
    assert called()["argv"] == ["train", "--solver=solver.prototxt", "--snapshot=x.solverstate"]


def test_changes_go_into_a_copy() -> None:
    text = SOLVER.replace("solver_mode: CPU\n", "")
    Path("solver.prototxt").write_text(text)
    before = sorted(Path().iterdir())
    binary = write_standin(Path("bin/caffe"))
    run_caffe("solver.prototxt", binary=binary, device="cpu", changes={"max_iter": 7})
    assert "max_iter: 7\n" in called()["solver"]
    assert "solver_mode: CPU\n" in called()["solver"]
    assert "gpu" not in " ".join(called()["argv"])
    assert Path("solver.prototxt").read_text() == text
    copy = Path(called()["argv"][1].partition("=")[2])
    assert copy.is_absolute()
    assert not copy.exists()
    assert {p.name for p in set(Path().iterdir()) - set(before)} >= {"called.json"}


def test_asked_once_it_snapshots_and_stops() -> None:
    asking = Asking(40)
    binary = write_standin(Path("bin/caffe"), slow_at=41)
    done = run_caffe("solver.prototxt", binary=binary, listeners=[asking.listen], asked=asking)
    assert done == 40
    last = asking.events[-1]
    assert isinstance(last, Snapshotted)
    assert last.iteration == 41
    assert last.state.is_file()


def test_without_snapshot_after_train_it_snapshots_all_the_same() -> None:
    Path("solver.prototxt").write_text(SOLVER + "snapshot_after_train: false\n")
    asking = Asking(40)
    binary = write_standin(Path("bin/caffe"), slow_at=41)
    run_caffe("solver.prototxt", binary=binary, listeners=[asking.listen], asked=asking)
    assert [e.iteration for e in asking.events if isinstance(e, Snapshotted)] == [41]


def test_asked_twice_it_ends_at_once() -> None:
    asking = Asking(40, times=2)
    binary = write_standin(Path("bin/caffe"), slow_at=41, deaf=True)
    done = run_caffe("solver.prototxt", binary=binary, listeners=[asking.listen], asked=asking)
    assert done == 40
    assert not any(isinstance(event, Snapshotted) for event in asking.events)


def test_a_keyboard_interrupt_is_a_wish_to_stop() -> None:
    def listen(event: Event) -> None:
        if event.iteration == 40 and isinstance(event, Displayed):
            signal.raise_signal(signal.SIGINT)

    binary = write_standin(Path("bin/caffe"), slow_at=41)
    assert run_caffe("solver.prototxt", binary=binary, listeners=[listen]) == 40
    assert Path("sgd_iter_41.solverstate").is_file()


def test_a_crash_gives_the_last_lines_and_what_to_do() -> None:
    events: list[Event] = []
    binary = write_standin(Path("bin/caffe"), crash_at=70)
    with pytest.raises(CaffeError) as caught:
        run_caffe("solver.prototxt", binary=binary, listeners=[events.append])
    assert "was ended by SIGABRT" in caught.value.what
    assert "Iteration 69, loss = " in caught.value.what
    assert "out of memory" in caught.value.what
    assert "Check failure stack trace" in caught.value.what
    assert "batch_size" in caught.value.hint
    assert "train --solver=solver.prototxt" in caught.value.where
    assert events == parse_log(GOLDEN / "training" / "caffe_sgd.log")[: len(events)]
    assert events[-1].iteration == 69


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("exit 3", "ended with 3, and said nothing"),
        ("echo 'Unknown layer type: AnnotatedData' >&2; exit 1", "SSD branch"),
        ("echo 'libcudart.so: error while loading shared libraries'; exit 127", "LD_LIBRARY_PATH"),
        (r"printf '\033[31mred\n' >&2; exit 1", "\\x1b[31mred"),
    ],
)
def test_other_ends(
    body: str, words: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    binary = folder / "caffe"
    binary.write_text(f"#!/bin/sh\n{body}\n")
    binary.chmod(0o755)
    with pytest.raises(CaffeError) as caught:
        run_caffe("solver.prototxt", binary=binary)
    assert words in str(caught.value)
    assert "\x1b" not in capsys.readouterr().err  # its lines are passed on, but none steers


def test_finding_the_executable(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_binary() is None
    on_path = write_standin(folder / "bin" / "caffe")
    monkeypatch.setenv("PATH", str(folder / "bin"))
    assert find_binary() == on_path
    built = write_standin(folder / "root" / "build" / "tools" / "caffe")
    monkeypatch.setenv("CAFFE_ROOT", str(folder / "root"))
    assert find_binary() == built
    assert find_binary(folder / "root") == built
    assert find_binary("bin/caffe") == on_path


def test_an_executable_that_is_none(folder: Path) -> None:
    with pytest.raises(UsageError, match="not there") as caught:
        run_caffe("solver.prototxt", binary="none/caffe")
    assert caught.value.where == "--caffe"
    Path("caffe").write_text("#!/bin/sh\n")
    with pytest.raises(UsageError, match="not executable"):
        run_caffe("solver.prototxt", binary="caffe")
    Path("caffe").write_bytes(b"\x7fELF\0\0\0\0nonsense")
    Path("caffe").chmod(0o755)
    with pytest.raises(CaffeError, match="cannot be started"):
        run_caffe("solver.prototxt", binary="caffe")


def test_no_caffe_at_all() -> None:
    with pytest.raises(UsageError, match="no executable, and pycaffe cannot be imported") as caught:
        run_caffe("solver.prototxt")
    assert "CAFFE_ROOT" in caught.value.hint


def test_wrong_calls() -> None:
    binary = write_standin(Path("bin/caffe"))
    with pytest.raises(UsageError, match="not both"):
        run_caffe("solver.prototxt", binary=binary, weights=[Path("a")], resume=Path("b"))
    for device in ("gpu", "cuda:x", "mps"):
        with pytest.raises(UsageError, match="no device"):
            run_caffe("solver.prototxt", binary=binary, device=device)


# ---- the module ----


class Blob:
    def __init__(self, value: float) -> None:
        self.data = np.array(value, np.float32)


class FakeNet:
    def __init__(self, rows: np.ndarray | None = None) -> None:
        self.rows, self.outputs, self.blobs = rows, ["mbox_loss"], {"mbox_loss": Blob(0)}
        self.blob_loss_weights = {"data": 0.0, "mbox_loss": 2.0}
        self.copied: list[str] = []
        self.shared: object = None

    def copy_from(self, path: str) -> None:
        self.copied.append(path)

    def share_with(self, other: object) -> None:
        self.shared = other

    def forward(self) -> dict[str, np.ndarray]:
        return {} if self.rows is None else {"detection_eval": self.rows}


class FakeSolver:
    """Its loss is 100 - iteration; it snapshots every 60, as its solver says."""

    def __init__(self, path: str) -> None:
        self.text = Path(path).read_text()
        # One box of class 1, which is found.
        rows = [[-1, 1, 1, -1, -1], [0, 1, 0.9, 1, 0]]
        self.net = FakeNet()
        self.test_nets = [FakeNet(np.array(rows, np.float32)[None, None])]
        self.iter = 0

    def step(self, count: int) -> None:
        self.net.blobs["mbox_loss"].data[...] = 100 - self.iter
        self.iter += count
        if self.iter % 60 == 0:
            self.snapshot()

    def snapshot(self) -> None:
        hdf5 = ".h5" if "snapshot_format: HDF5" in self.text else ""
        for ending in ("caffemodel", "solverstate"):
            Path(f"sgd_iter_{self.iter}.{ending}{hdf5}").touch()

    def restore(self, path: str) -> None:
        self.iter = 60


@pytest.fixture
def caffe(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    module: Any = types.ModuleType("caffe")
    module.calls, module.solvers = [], []
    module.Net = FakeNet
    module.set_mode_cpu = lambda: module.calls.append("cpu")
    module.set_mode_gpu = lambda: module.calls.append("gpu")
    module.set_device = module.calls.append

    def get_solver(path: str) -> FakeSolver:
        module.solvers.append(FakeSolver(path))
        return module.solvers[-1]

    module.get_solver = get_solver
    monkeypatch.setitem(sys.modules, "caffe", module)
    return module


def test_pycaffe_is_heard_as_caffe_is(caffe: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run_caffe("solver.prototxt", changes={"max_iter": 120})
    lines = capsys.readouterr().err.splitlines()
    for line in (
        "Iteration 7, loss = 186",
        "    Train net output #0: mbox_loss = 93 (* 2 = 186 loss)",
        "Iteration 7, lr = 0.01",
        "Iteration 120, Testing net (#0)",
        "    Test net output #0: detection_eval = 1",
    ):
        assert lines.count(line) == 1, line


def test_pycaffe_to_the_end(caffe: Any) -> None:
    events: list[Event] = []
    done = run_caffe("solver.prototxt", weights=[Path("w")], listeners=[events.append])
    assert done == 120
    shown = [e for e in events if isinstance(e, Displayed)]
    assert [(e.iteration, e.loss) for e in shown[:-1]] == [(i, 200.0 - 2 * i) for i in range(120)]
    assert shown[-1].iteration == 120
    assert [e.rate for e in shown] == pytest.approx([0.01] * 60 + [0.001] * 60 + [0.0001])
    assert shown[5].outputs == [("mbox_loss", 2.0, [95.0])]
    snapshots = [e for e in events if isinstance(e, Snapshotted)]
    assert [e.iteration for e in snapshots] == [60, 120]
    assert snapshots[0].state == Path("sgd_iter_60.solverstate")
    [test] = [e for e in events if isinstance(e, Scores)]
    assert (test.iteration, test.outputs) == (120, [("detection_eval", 1.0)])
    assert test.per_class == {1: 1.0}
    solver = caffe.solvers[0]
    assert caffe.calls == ["cpu"]
    assert solver.net.copied == solver.test_nets[0].copied == ["w"]
    assert solver.test_nets[0].shared is solver.net
    assert "display: 0\n" in solver.text
    assert Path("solver.prototxt").read_text() == SOLVER


def test_pycaffe_tells_of_snapshots_in_hdf5(caffe: Any) -> None:
    Path("solver.prototxt").write_text(SOLVER + "snapshot_format: HDF5\n")
    events: list[Event] = []
    run_caffe("solver.prototxt", listeners=[events.append])
    told = [e for e in events if isinstance(e, Snapshotted)]
    assert [e.state.name for e in told] == [
        "sgd_iter_60.solverstate.h5", "sgd_iter_120.solverstate.h5"
    ]  # fmt: skip
    assert all(path.is_file() for e in told for path in e.files().values())


def test_pycaffe_resumes_on_the_device_asked_for(caffe: Any) -> None:
    events: list[Event] = []
    state = GOLDEN / "training" / "sgd_iter_60.solverstate"
    settings: dict[str, Any] = {"device": "cuda:1", "changes": {"max_iter": 62}}
    assert run_caffe("solver.prototxt", resume=state, listeners=[events.append], **settings) == 62
    assert [e.iteration for e in events if isinstance(e, Displayed)] == [60, 61, 62]
    assert caffe.calls == [1, "gpu"]
    assert Path("sgd_iter_62.solverstate").is_file()


def test_pycaffe_stops_when_asked(caffe: Any) -> None:
    for times in (1, 2):
        asking = Asking(6 + times, times)
        done = run_caffe("solver.prototxt", listeners=[asking.listen], asked=asking)
        assert done == 7 + times
        written = Path(f"sgd_iter_{done}.solverstate").is_file()
        assert written is (times == 1)
        assert isinstance(asking.events[-1], Snapshotted) is (times == 1)


def test_pycaffe_smooths_the_loss(caffe: Any) -> None:
    events: list[Event] = []
    changes = {"average_loss": 3, "max_iter": 4, "display": 2}
    run_caffe("solver.prototxt", listeners=[events.append], changes=changes)
    shown = [(e.iteration, e.loss) for e in events if isinstance(e, Displayed)]
    assert shown[:2] == [(0, 200.0), (2, 198.0)]
