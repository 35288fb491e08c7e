"""A training that is stopped at whatever moment ends, once it is resumed, as one that is not."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import GOLDEN, commands
from support.trees import jpeg

from ssd_data.engines.torch.layers.detectionevaluate import DetectionEvaluate
from ssd_data.training import log as run_log
from ssd_data.training import run as running
from ssd_data.training import snapshots
from ssd_data.training import solver as solver_file
from ssd_data.training.run_folder import read_events
from ssd_data.training.solver import Solver

SOLVER = """train_net: "train.prototxt" test_net: "test.prototxt" test_iter: 2 test_interval: 1
test_initialization: false display: 1 average_loss: 3 max_iter: 3 snapshot: 2 random_seed: 5
snapshot_prefix: "net" eval_type: "detection" ap_version: "11point" type: "SGD" base_lr: 0.005
momentum: 0.9 lr_policy: "plateau" gamma: 0.5 plateau_winsize: 1 plateau_winsize: 1
"""
TRAIN = ("train", "solver.prototxt", "--device", "cpu", "--workers", 0)
RESUME = (*TRAIN, "--resume", "auto")
WROTE = "stopping: a snapshot is written after this iteration; once more stops at once"
WROTE_NOT = "stopping: no further snapshot is written after this iteration; once more stops at once"
INTERRUPTED = "interrupted; nothing is half-written"
# What a run goes through; a signal comes before or after one of these.
WAY: list[tuple[Any, str]] = [
    (Solver, "restore"),
    (run_log.RunLog, "begin"),
    (Solver, "solve"),
    (Solver, "_forward_backward"),
    (Solver, "_show"),
    (Solver, "_update"),
    (snapshots, "write_whole"),
    (DetectionEvaluate, "_next_sizes"),  # in each batch of a test
    (run_log.RunLog, "end"),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The golden run's small net and pictures, three updates. A test reads eight pictures of 32,
    and so begins elsewhere each time."""
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("train.prototxt", "test.prototxt"):
        text = (GOLDEN / "training" / name).read_text()
        text = text.replace("height: 96 width: 96", "height: 32 width: 32")
        sizes = 'detection_evaluate_param { name_size_file: "sizes.txt" '
        (folder / name).write_text(text.replace("detection_evaluate_param { ", sizes))
    (folder / "sizes.txt").write_text("".join(f"{n} {90 + n} 96\n" for n in range(32)))
    for name in ("lmdb", "lmdb_test"):
        shutil.copytree(GOLDEN / "training" / "lmdb", folder / name)
    shutil.copy(GOLDEN / "training" / "labelmap.prototxt", folder)
    (folder / "solver.prototxt").write_text(SOLVER)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(running, "draw_at_tests", lambda table: lambda event: None)
    return folder


class Run:
    """Trainings in the working folder.

    Attributes:
        moments: those that they went through, in the order that they came.
        before: the snapshots' files when the signal came.
    """

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self.capfd = capfd
        self.moments: list[str] = []
        self.before: dict[str, bytes] = {}

    def __call__(self, *args: object, at: int = -1, number: int = signal.SIGINT) -> commands.Result:
        """Train, with a signal at one of the moments."""
        self.moments = []

        def pass_moment(name: str) -> None:
            self.moments.append(name)
            if len(self.moments) - 1 == at:
                self.before = files()
                os.kill(os.getpid(), number)

        def wrapped(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **named: Any) -> Any:
                pass_moment(name)
                return function(*args, **named)

            return call

        with pytest.MonkeyPatch.context() as patch:
            for home, name in WAY:
                patch.setattr(home, name, wrapped(name, getattr(home, name)))
            status = commands.run(*args)
        return commands.Result(status, *self.capfd.readouterr())


@pytest.fixture
def train(folder: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    return Run(capfd)


def files() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(Path().glob("net_iter_*"))}


def what_it_came_to() -> tuple[dict[str, object], list[dict[str, Any]]]:
    """The solver's own snapshots, and what was tested; not how often the run was resumed."""
    found: dict[str, object] = {}
    for name, data in files().items():
        if name.endswith(".resume.json"):
            table = json.loads(data)
            del table["options"]
            found[name] = table
        else:
            found[name] = data
    stopped_at = {
        name.partition(".")[0]
        for name, table in found.items()
        if isinstance(table, dict) and table["between"]
    }
    rows, broken = read_events(Path("net.jsonl"))
    assert not broken
    tested = [row for row in rows if row["event"] == "test"]
    for row in tested:
        del row["seconds"]
    return {n: v for n, v in found.items() if n.partition(".")[0] not in stopped_at}, tested


def start_anew() -> None:
    for path in Path().glob("net*"):
        path.unlink()


EXTRAS = ("--ema", 0.5)


def test_wherever_it_is_stopped_it_ends_the_same(train: Run) -> None:
    assert train(*TRAIN, *EXTRAS).status == 0
    expected = what_it_came_to()
    assert len(expected[0]) == 8  # of two snapshots weights, their average, state, resume state
    assert [row["iteration"] for row in expected[1]] == [1, 2, 3]
    last: Any = expected[0]["net_iter_3.resume.json"]
    assert last["positions"] == [{"data": 12}, {"data": 16, "detection_eval": 16}]
    moments = train.moments
    assert set(moments) == {name for _, name in WAY} - {"restore"}
    for at, moment in enumerate(moments):
        start_anew()
        stopped = train(*TRAIN, *EXTRAS, at=at, number=(signal.SIGINT, signal.SIGTERM)[at % 2])
        assert stopped.status == (0 if moment == "end" else 130), moment
        said_what_it_did(stopped, train.before)
        assert train(*RESUME, *EXTRAS).status == 0
        assert what_it_came_to() == expected, (at, moment)


def said_what_it_did(stopped: commands.Result, before: dict[str, bytes]) -> None:
    (said,) = re.findall(r"^(?:stopping|interrupted).*", stopped.err, re.M)
    at = re.search(r"^(?:stopped|done) at iteration (\d+)", stopped.out, re.M)
    assert said in ((WROTE, WROTE_NOT) if at else (INTERRUPTED,))
    if at and said == WROTE:
        assert f"net_iter_{at[1]}.solverstate" in files()
    else:
        assert files() == before


def test_a_run_that_was_done_stays_as_it_is(train: Run) -> None:
    assert train(*TRAIN).status == 0
    expected = files()
    assert train(*RESUME).status == 0
    assert files() == expected
    moments = train.moments
    assert moments[0] == "restore"
    for at, moment in enumerate(moments):
        stopped = train(*RESUME, at=at)
        assert stopped.status == (0 if moment == "end" else 130), moment
        assert (INTERRUPTED if moment == "restore" else WROTE_NOT) in stopped.err
        assert files() == expected, moment
        said_what_it_did(stopped, train.before)


def test_a_stop_before_the_first_update_is_heeded(train: Run) -> None:
    for way in ("begin", "solve"):
        start_anew()
        stopped = train(*TRAIN, at=("begin", "solve").index(way))
        assert stopped.status == 130
        assert "stopped at iteration 0" in stopped.out
        assert WROTE_NOT in stopped.err
        assert not files()


def test_where_the_solver_wants_no_last_snapshot_none_is_written(train: Run) -> None:
    text = SOLVER.replace("max_iter: 3", "max_iter: 3 snapshot_after_train: false")
    Path("solver.prototxt").write_text(text)
    assert train(*TRAIN).status == 0
    expected = what_it_came_to()
    assert {name.partition(".")[0] for name in expected[0]} == {"net_iter_2"}
    shows = [at for at, moment in enumerate(train.moments) if moment == "_show"]
    for at in range(shows[-1], len(train.moments) - 1):  # in what comes after the last update
        start_anew()
        stopped = train(*TRAIN, at=at)
        assert stopped.status == 130
        assert WROTE_NOT in stopped.err
        assert what_it_came_to()[0] == expected[0]
        assert train(*RESUME).status == 0
        assert what_it_came_to() == expected


def test_a_stop_takes_no_snapshots_place(train: Run) -> None:
    """Of two that are kept, and the best: the same whether it was stopped between them or not."""
    text = SOLVER.replace("max_iter: 3", "max_iter: 8").replace("test_iter: 2", "test_iter: 8")
    Path("solver.prototxt").write_text(text)
    scores = {1: 0.9, 2: 0.8, 3: 0.9, 4: 0.5, 5: 0.5, 6: 0.5, 7: 0.5, 8: 0.1}
    kept = (*TRAIN, "--keep", 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            solver_file,
            "run_test",
            lambda net, count, param, at, *rest: run_log.Tested(at, 0, [("mAP", scores[at])]),
        )
        assert train(*kept, "--json").json["best"] == {"iteration": 1, "value": 0.9}
        expected = what_it_came_to()
        assert {snapshots.iteration_of(Path(name)) for name in expected[0]} == {2, 6, 8}
        updates = [n for n, moment in enumerate(train.moments) if moment == "_update"]
        for at in updates:
            start_anew()
            assert train(*kept, at=at).status == 130
            done = train(*kept, "--resume", "auto", "--json")
            assert done.json["best"] == {"iteration": 1, "value": 0.9}
            assert what_it_came_to() == expected
            there = {snapshots.iteration_of(Path(name)) for name in files()}
            assert there == {2, 6, 8}


CLASSIFIER = """name: "small"
layer { name: "data" type: "ImageData" top: "data" top: "label"
  transform_param { crop_size: 8 mirror: true scale: 0.01 }
  image_data_param { source: "list.txt" batch_size: 3 shuffle: true } }
layer { name: "drop" type: "Dropout" bottom: "data" top: "drop" }
layer { name: "fc" type: "InnerProduct" bottom: "drop" top: "fc"
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
"""


def test_a_classifier_goes_on_with_the_same_pictures(train: Run) -> None:
    for i in range(5):
        Path(f"{i}.jpg").write_bytes(jpeg(12, 12, seed=i))
    Path("list.txt").write_text("".join(f"{i}.jpg {i % 2}\n" for i in range(5)))
    Path("small.prototxt").write_text(CLASSIFIER)
    Path("solver.prototxt").write_text(
        'train_net: "small.prototxt" max_iter: 5 base_lr: 0.1 lr_policy: "fixed" momentum: 0.9\n'
        'random_seed: 5 snapshot_prefix: "net"\n'
    )
    assert train(*TRAIN).status == 0
    expected = what_it_came_to()
    updates = [n for n, moment in enumerate(train.moments) if moment == "_update"]
    for at in updates[:-1]:
        start_anew()
        assert train(*TRAIN, at=at).status == 130
        assert train(*RESUME).status == 0
        assert what_it_came_to() == expected
