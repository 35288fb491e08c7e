"""Training, testing, shipping and fitting against hostile and clumsy input."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import GOLDEN

from ssd_data.cli import main
from ssd_data.core.errors import InputError, OutputError, UsageError
from ssd_data.core.files.together import new_folder
from ssd_data.core.files.whole import UNLOCKED, write_whole
from ssd_data.nets.graph import read_graph
from ssd_data.proto import caffe_pb2
from ssd_data.training import resumestate, snapshots
from ssd_data.training.curves import draw_run
from ssd_data.training.log import Displayed, RunLog
from ssd_data.training.preflight import preflight
from ssd_data.training.rates import Progress, learning_rate
from ssd_data.training.run_folder import read_rows
from ssd_data.training.solver_file import look_at_solver

SOLVER, STATE = "solver_sgd.prototxt", "sgd_iter_60.solverstate"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The golden run's files; the working folder."""
    folder = tmp_path / "run"
    shutil.copytree(GOLDEN / "training", folder)
    shutil.copytree(folder / "lmdb", folder / "lmdb_test")
    monkeypatch.chdir(folder)
    return folder


def status(*args: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(arg) for arg in args])
    return int(caught.value.code or 0)


def edit(name: str, **fields: str) -> None:
    lines = Path(name).read_text().splitlines()
    kept = [line for line in lines if line.partition(":")[0] not in fields]
    Path(name).write_text("\n".join([*kept, *(f"{k}: {v}" for k, v in fields.items())]) + "\n")


def beside(text: str) -> None:
    Path(STATE).with_suffix(".resume.json").write_text(text)


# ---- what lies beside a solver state ----


@pytest.mark.parametrize(
    "table",
    [
        {"positions": 5},
        {"positions": [5]},
        {"positions": [{"data": None}]},
        {"positions": [{"data": "7"}]},
        {"positions": [{"data": -1}]},
        {"positions": [{"data": 10**30}]},
        {"positions": [{"data": float("nan")}]},
        {"positions": [{"data": True}]},
        {"random": 5},
        {"random": [5]},
        {"random": ["zz"]},
        {"random": ["0"]},
        {"random": {"a": 1}},
    ],
)
def test_a_resume_file_with_other_values(table: dict[str, Any], folder: Path) -> None:
    beside(json.dumps(table))
    with pytest.raises(InputError, match="is not what a training writes") as caught:
        snapshots.read_snapshot(STATE)
    assert caught.value.where == "sgd_iter_60.resume.json"


@pytest.mark.parametrize("text", ["[" * 100_000, "", "null", '{"a": ' + "9" * 5000 + "}"])
def test_a_resume_file_that_is_none(text: str, folder: Path) -> None:
    beside(text)
    with pytest.raises(InputError):
        snapshots.read_snapshot(STATE)


@pytest.mark.parametrize("digits", ["", "00", "ff" * 5056])
def test_a_random_state_that_is_none(digits: str, folder: Path) -> None:
    from ssd_data.training.solver import Solver

    beside(json.dumps({"random": [digits]}))
    with pytest.raises(InputError, match="random state"):
        Solver(SOLVER).restore(STATE)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text("0af"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("d"), inner, max_size=2),
)


@given(positions=JSON, random=JSON)
def test_a_resume_file_serves_or_is_refused(positions: Any, random: Any) -> None:
    if resumestate._are_positions(positions):
        assert all(0 <= n < 2**63 for net in positions for n in net.values())
    if resumestate._are_states(random):
        assert all(
            bytes.fromhex(one).hex() == one
            for one in ([random] if isinstance(random, str) else random)
        )


@pytest.mark.parametrize("field", ["iter", "current_step"])
def test_a_solver_state_with_negative_numbers(field: str, folder: Path) -> None:
    state = caffe_pb2.SolverState(iter=60)
    setattr(state, field, -3)
    Path(STATE).write_bytes(state.SerializeToString())
    with pytest.raises(InputError, match="no solver state"):
        snapshots.read_snapshot(STATE)


def test_what_is_passed_over_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("sgd_iter_120.solverstate").write_bytes(b"\x08")
    assert status("train", SOLVER, "--resume", "auto", "--max-iter", 60) == 0
    error = capsys.readouterr().err
    assert "warning: sgd_iter_120.solverstate is passed over" in error
    assert "resuming from sgd_iter_60.solverstate" in error


AXES = caffe_pb2.BlobProto(shape=caffe_pb2.BlobShape(dim=[1] * 65), data=[1])
EMPTY = caffe_pb2.BlobProto(shape=caffe_pb2.BlobShape(dim=[0, 2**63 - 1]))
ODD = {
    "65 axes": (caffe_pb2.SolverState(iter=90, history=[AXES]), "an array has 65 axes"),
    "no value": (caffe_pb2.SolverState(iter=90, history=[EMPTY]), "an array of shape 0x9223"),
    "long": (caffe_pb2.SolverState(iter=90, learned_net="x" * 5000), 'xxx" is missing'),
    "not a name": (caffe_pb2.SolverState(iter=90, learned_net="a\0b"), 'b" is missing'),
    "bytes": (b"\x08\x5a\x12\x02\xff\xff", r"is not UTF-8 text: '\xff\xff'"),
    "short": (b"\x08\x5a\x1a" * 3, "is no solver state"),
}


@pytest.mark.parametrize("kind", ODD)
def test_an_odd_solver_state_is_passed_over(
    kind: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state, said = ODD[kind]
    data = state if isinstance(state, bytes) else state.SerializeToString()
    for path in Path().glob("sgd_iter_120*"):
        path.unlink()
    Path("sgd_iter_90.solverstate").write_bytes(data)
    assert status("train", SOLVER, "--resume", "auto", "--max-iter", 60) == 0
    (warning,) = (line for line in capsys.readouterr().err.splitlines() if "passed over" in line)
    assert said in warning
    assert len(warning) < 250
    assert status("train", SOLVER, "--resume", "sgd_iter_90.solverstate") == 1
    errors = [e for e in capsys.readouterr().err.splitlines() if e.startswith("error: sgd_iter_90")]
    assert any(said in error for error in errors)


@pytest.mark.parametrize(
    "table",
    [
        {"smoothed": 5},
        {"smoothed": {"value": 1.0, "losses": [1.0]}},
        {"smoothed": {"value": 1.0, "losses": ["a"], "first": 0}},
        {"smoothed": {"value": float("inf"), "losses": [1.0], "first": 0}},
        {"smoothed": {"value": 1.0, "losses": [1.0], "first": -1}},
        {"minimum_loss": "low"},
        {"minimum_loss": float("nan")},
        {"processes": [1]},
        {"gpu_random": "x"},
    ],
)
def test_other_values_beside_a_solver_state(table: dict[str, Any], folder: Path) -> None:
    test_a_resume_file_with_other_values(table, folder)


@pytest.mark.parametrize(
    "value", [[[[[[[[]]]]]]], "x" * 5000, 10**4000, -(10**4000), 1e300, {"a": 1}, None, True]
)
def test_options_that_no_training_records(value: object, folder: Path) -> None:
    for name in ("ema", "warm_up", "amp", "freeze_bn"):
        beside(json.dumps({"options": {"extras": {name: value}}}))
        if (name, value) == ("freeze_bn", True):
            continue
        with pytest.raises(InputError) as caught:
            snapshots.recorded_extras(Path(STATE))
        assert caught.value.where == "sgd_iter_60.resume.json"
        assert len(str(caught.value)) < 200


# ---- snapshots that go together ----


def test_a_copied_snapshot_takes_its_own_weights(folder: Path) -> None:
    Path("old").mkdir()
    for ending in (".solverstate", ".caffemodel"):
        shutil.copy(f"sgd_iter_60{ending}", "old")
    copied = Path("old") / STATE
    found = snapshots.learned_net(snapshots.read_snapshot(copied), copied)
    assert found == Path("old/sgd_iter_60.caffemodel")


def test_new_weights_never_lie_beside_an_old_state(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes | str) -> None:
        if path.suffix == ".solverstate":
            raise OutputError("cannot write it: No space left on device", where=path)
        write_whole(path, data)

    monkeypatch.setattr(snapshots, "write_whole", full)
    graph = read_graph("train.prototxt", "TRAIN")
    with pytest.raises(OutputError):
        snapshots.write_snapshot("sgd", Progress(60), graph.net, [], [], {})
    assert [iteration for iteration, _ in snapshots.find_snapshots("sgd")] == [120]


# ---- the log ----


def test_two_trainings_of_one_prefix(folder: Path) -> None:
    first = RunLog("sgd")
    with pytest.raises(OutputError, match="another training") as caught:
        RunLog("sgd")
    assert caught.value.where == "sgd.log"
    first.end(done=True)
    RunLog("sgd").end(done=True)


def test_what_killed_trainings_left_half_is_removed(folder: Path) -> None:
    halves = [
        ".sgd_iter_9.caffemodel.77.part",
        ".sgd_iter_9.ema.caffemodel.part",
        ".sgd_iter_120.solverstate.2.part",
        ".sgd_iter_120.resume.json.1234567.part",
        ".sgd_curves.png.9.part",
    ]
    others = [
        ".sgd2_iter_9.caffemodel.77.part",
        ".sgd_iter_9_iter_2.caffemodel.part",
        "sgd_iter_9.caffemodel.part",
        ".sgd_iter_9.caffemodel",
        ".rmsprop_iter_9.caffemodel.77.part",
    ]
    for name in (*halves, *others):
        Path(name).write_bytes(b"half")
    first = RunLog("sgd")
    assert not any(Path(name).exists() for name in halves)
    assert all(Path(name).exists() for name in others)
    Path(halves[0]).write_bytes(b"a living one's")
    with pytest.raises(OutputError, match="another training"):
        RunLog("sgd")
    assert Path(halves[0]).exists()
    first.end(done=True)


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_without_locks_it_goes_on_and_says_so(
    code: int,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def flock(file: object, how: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", flock)
    Path(".sgd_iter_9.caffemodel.77.part").write_bytes(b"whose?")
    assert status("train", SOLVER, "--max-iter", 1) == 0
    assert f"warning: sgd.log: {UNLOCKED}" in capsys.readouterr().err
    assert Path(".sgd_iter_9.caffemodel.77.part").exists()


def test_a_line_without_an_end_spoils_no_other(folder: Path) -> None:
    Path("sgd.log").write_text("I1127 10:00:00.1")
    Path("sgd.jsonl").write_text('{"event": "train", "iter')
    log = RunLog("sgd")
    log.begin("net", "fixed", {})
    log.end(done=True)
    assert [row["event"] for row in read_rows(Path("sgd.jsonl"))[0]] == ["begin"]
    assert Path("sgd.log").read_text().splitlines()[0] == "I1127 10:00:00.1"
    before = Path("sgd.log").read_text()
    RunLog("sgd").end(done=True)
    assert Path("sgd.log").read_text().startswith(before + "I")


@pytest.mark.parametrize(
    "row",
    [
        {"event": "train", "iteration": 1},
        {"event": "train", "iteration": 1, "loss": "high", "lr": None},
        {"event": "train", "iteration": 1, "loss": 10**400, "lr": 0.1},
        {"event": "train", "iteration": 1, "loss": 1, "lr": 1, "parts": [1]},
        {"event": "train", "iteration": 1, "loss": 1, "lr": 1, "parts": {"loc": "x"}},
        {"event": "test", "iteration": 1, "net": 0, "outputs": {"$\\frac$": 0.5}},
        {"event": "test", "iteration": 1, "net": 0, "outputs": [0.5]},
        {"event": "test", "iteration": 1, "net": 0, "outputs": {"mAP": 10**400}},
    ],
)
def test_curves_of_whatever_the_table_says(row: dict[str, Any], folder: Path) -> None:
    pytest.importorskip("matplotlib")
    good = {"event": "train", "iteration": 0, "loss": 2.5, "lr": 0.1, "parts": {"loc": 1.5}}
    Path("x.jsonl").write_text("".join(json.dumps(one) + "\n" for one in (good, row)))
    assert draw_run(Path("x.jsonl")) == Path("x_curves.png")


def test_a_log_on_a_full_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = RunLog("sgd")

    class Full:
        closed, name = False, "sgd.log"

        def write(self, text: str) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self) -> None:
            self.closed = True

    log._log.close()
    monkeypatch.setattr(log, "_log", Full())
    with pytest.raises(OutputError, match="cannot write it: No space left") as caught:
        log(Displayed(1, 2.0, 0.1, [], {}, 0.0, 0.0))
    assert caught.value.where == "sgd.log"
    assert "Free space" in caught.value.hint
    log.end(done=False)  # does not fail again


def test_a_board_on_a_full_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboard")
    from ssd_data.training.curves import TensorBoard

    def full(event: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    board = TensorBoard(Path("board"))
    monkeypatch.setattr(board._writer, "write", full)
    with pytest.raises(OutputError, match="No space left") as caught:
        board(Displayed(1, 2.0, 0.1, [], {}, 0.0, 0.0))
    board.close()
    assert caught.value.where == "board"
    assert "Free space" in caught.value.hint


# ---- solvers ----


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"base_lr": "nan"}, "base_lr is nan"),
        ({"base_lr": "inf"}, "base_lr is inf"),
        ({"weight_decay": "-inf"}, "weight_decay is -inf"),
        ({"power": "nan"}, "power is nan"),
        ({"clip_gradients": "nan"}, "clip_gradients is nan"),
        ({"type": '"Adam"', "momentum2": "2"}, "momentum2 is 2, with Adam it must be in 0 … 1"),
        ({"type": '"Adam"', "momentum": "1"}, "momentum is 1, with Adam it must be in 0 … 1"),
        ({"type": '"RMSProp"', "momentum": "0", "rms_decay": "-1"}, "rms_decay is -1"),
        ({"snapshot_prefix": r'"a\000b"'}, "holds characters that no file name should"),
    ],
)
def test_numbers_that_no_solver_computes_with(
    fields: dict[str, str], what: str, folder: Path
) -> None:
    edit(SOLVER, **fields)
    errors = preflight(look_at_solver(SOLVER)).errors
    assert [what in error.what for error in errors] == [True]
    assert errors[0].where.startswith(SOLVER)
    assert errors[0].hint


@given(
    policy=st.sampled_from(["fixed", "step", "exp", "inv", "multistep", "poly", "sigmoid"]),
    gamma=st.floats(width=32),
    power=st.floats(width=32),
    iteration=st.integers(0, 1 << 31),
)
def test_a_rate_is_a_number_or_none_but_never_fails(
    policy: str, gamma: float, power: float, iteration: int
) -> None:
    param = caffe_pb2.SolverParameter(
        lr_policy=policy, gamma=gamma, power=power, base_lr=0.1, stepsize=7, max_iter=100
    )
    assert isinstance(learning_rate(param, Progress(iteration)), float)


def test_the_last_rate_of_a_negative_power_is_infinite() -> None:
    param = caffe_pb2.SolverParameter(lr_policy="poly", power=-1, base_lr=1, max_iter=4)
    assert learning_rate(param, Progress(2)) == 2
    assert learning_rate(param, Progress(4)) == np.inf


def test_a_test_net_of_no_batches_is_not_tested(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(SOLVER, test_iter="0", max_iter="2", test_interval="1", snapshot="0")
    edit(SOLVER, snapshot_prefix='"out/net"')
    assert status("train", SOLVER) == 0
    assert "Testing net" not in capsys.readouterr().err
    assert status("test", SOLVER, "--weights", "initial.caffemodel") == 1
    assert "test_iter is 0\n  Set it, or give --iterations" in capsys.readouterr().err


def test_pictures_that_no_memory_holds(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = Path("train.prototxt")
    text = net.read_text()
    net.write_text(text.replace("height: 96 width: 96", "height: 4294967295 width: 4294967295"))
    assert status("train", SOLVER) == 1
    error = capsys.readouterr().err
    assert "4294967295" in error
    assert "nothing was started" in error
    net.write_text(text.replace("batch_size: 4", "batch_size: 4294967295"))
    assert status("train", SOLVER) == 1
    error = capsys.readouterr().err
    assert "its top of 4294967295x16x48x48 would have more values than" in error
    assert "nothing was started" in error


def test_memory_that_is_not_there(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sizes are those of a net, and the machine is too small for them."""
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(
        "ssd_data.engines.torch.interpreter.Interpreter._compute",
        lambda self, i, layer, bottoms: (torch.empty(1 << 50),),
    )
    assert status("train", SOLVER) == 1
    assert "error: out of memory\n  Lower batch_size" in capsys.readouterr().err


# ---- files and numbers of other commands ----


@pytest.mark.parametrize("name", [".", "..", "a/.."])
def test_a_new_folder_needs_a_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError, match="names no new folder"), new_folder(Path(name)):
        pass


def test_what_cannot_be_written_is_said_of_the_folder(tmp_path: Path) -> None:
    target = tmp_path / "shipped"

    def write() -> None:
        with new_folder(target) as folder:
            (folder / "net").mkdir()
            write_whole(folder / "net", b"x")

    with pytest.raises(OutputError) as caught:
        write()
    assert caught.value.where == str(target / "net")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "args",
    [
        ("fit", "lmdb", "--net", "train.prototxt", "--overlap", "nan"),
        ("detect", "train.prototxt", "initial.caffemodel", "x", "--threshold", "nan"),
        ("detect", "train.prototxt", "initial.caffemodel", "x", "--mean", "1", "--scale", "inf"),
    ],
)
def test_options_are_numbers(
    args: tuple[str, ...], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(*args) == 2
    assert "is no finite number" in capsys.readouterr().err


def test_fit_takes_no_overlap_that_is_none(folder: Path) -> None:
    from ssd_data.families.fit.fit import fit

    with pytest.raises(UsageError, match="nan is not in 0"):
        fit("lmdb", "train.prototxt", overlap=float("nan"))


def test_ranks_that_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    from ssd_data.training.group import join

    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    for rank in ("", "x", "2", "-1"):
        monkeypatch.setenv("RANK", rank)
        with pytest.raises(UsageError, match="WORLD_SIZE is 2"):
            join("cpu")
