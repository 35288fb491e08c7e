"""Training against the original's whole runs; kill, resume, signals, logs."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.golden_run import losses_of, printed

from ssd_data.core.errors import InputError
from ssd_data.core.labelmap import read_labelmap
from ssd_data.proto import caffe_pb2
from ssd_data.training import snapshots
from ssd_data.training.display import DivergedError
from ssd_data.training.log import Displayed
from ssd_data.training.options import TrainOptions
from ssd_data.training.run import train_file
from ssd_data.training.solver import Solver
from ssd_data.training.solver_file import read_solver

RUNS = {"rmsprop": 4, "sgd": 8}  # how many losses must agree to 1e-3


def theirs(kind: str) -> np.ndarray:
    return np.loadtxt(f"{kind}_loss.txt")[:, 1]


@pytest.mark.parametrize("kind", RUNS)
def test_the_first_losses(kind: str, folder: Path) -> None:
    solver = Solver(f"solver_{kind}.prototxt")
    solver.net.copy_from("initial.caffemodel")
    far = np.abs(losses_of(solver, 20) / theirs(kind)[:20] - 1)
    assert far[: RUNS[kind]].max() <= 1e-3
    assert far.max() <= 5e-2


@pytest.mark.parametrize("kind", RUNS)
def test_resuming_from_the_originals_own_state(kind: str, folder: Path) -> None:
    solver = Solver(f"solver_{kind}.prototxt")
    solver.restore(f"{kind}_iter_60.solverstate")
    assert solver.iter == 60
    assert np.abs(losses_of(solver, 20) / theirs(kind)[60:80] - 1).max() <= 1e-3


@pytest.mark.parametrize("kind", RUNS)
def test_map_of_the_originals_weights(kind: str, folder: Path) -> None:
    text = Path(f"{kind}_map.txt").read_text()
    expected = [float(v) for v in re.findall(r"= ([\d.]+)", text)]
    for version, value in zip(("11point", "Integral", "MaxIntegral"), expected, strict=True):
        solver = Solver(f"solver_{kind}.prototxt")
        solver.param.ap_version = version
        solver.net.copy_from(f"{kind}_iter_120.caffemodel")
        (tested,) = solver.test_all()
        assert tested.outputs[0][1] == pytest.approx(value, abs=1e-3)


@pytest.mark.parametrize("kind", RUNS)
@pytest.mark.parametrize("iteration", [60, 120])
def test_a_snapshot_is_the_originals_byte_by_byte(kind: str, iteration: int, folder: Path) -> None:
    solver = Solver(f"solver_{kind}.prototxt")
    solver.restore(f"{kind}_iter_{iteration}.solverstate")
    solver.param.snapshot_prefix = "ours/x"
    for ours in solver.snapshot():
        theirs = Path(f"{kind}_iter_{iteration}{ours.suffix}").read_bytes()
        if ours.suffix == snapshots.STATE:  # the other file's name differs
            state = caffe_pb2.SolverState.FromString(ours.read_bytes())
            state.learned_net = Path(f"{kind}_iter_{iteration}.caffemodel").name
            assert state.SerializeToString(deterministic=True) == theirs
        else:
            assert ours.read_bytes() == theirs


def test_snapshots_are_files_that_caffe_reads(folder: Path) -> None:
    solver = Solver("solver_sgd.prototxt")
    solver.restore("sgd_iter_60.solverstate")
    solver.param.snapshot_prefix = "again"
    model, state = solver.snapshot()
    ours, original = (
        snapshots.read_snapshot(state),
        snapshots.read_snapshot("sgd_iter_60.solverstate"),
    )
    assert ours.progress == original.progress
    assert ours.learned_net == str(model) == "again_iter_60.caffemodel"
    for a, b in zip(ours.history, original.history, strict=True):
        np.testing.assert_array_equal(a, b)
    from ssd_data.nets.caffemodel import read_caffemodel

    pairs = zip(
        read_caffemodel(model).layers, read_caffemodel("sgd_iter_60.caffemodel").layers, strict=True
    )
    for a, b in pairs:
        assert (a.name, a.type) == (b.name, b.type)
        for x, y in zip(a.arrays, b.arrays, strict=True):
            np.testing.assert_array_equal(x, y)


def test_the_command(solver_file: Path, run: Any) -> None:
    result = run(
        "train", solver_file.name, "--weights", "initial.caffemodel", "--device", "cpu", "--json"
    )
    assert result.status == 0, result.err
    assert list(printed(result.err)) == list(range(13))
    assert "Iteration 6, Testing net (#0)" in result.err
    assert re.search(r"Test net output #0: detection_eval = \d", result.err)
    assert result.json["iteration"] == 12
    assert [Path(s["model"]).name for s in result.json["snapshots"]] == [
        f"short_iter_{i}.caffemodel" for i in (4, 8, 12)
    ]
    rows = [json.loads(line) for line in Path("short.jsonl").read_text().splitlines()]
    assert {row["event"] for row in rows} == {"begin", "train", "test", "snapshot"}
    assert rows[1]["parts"]["matches"] > 0
    log = Path("short.log").read_text()
    assert re.search(
        r"^I\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ solver\.cpp:\d+\] Iteration 3, loss = ", log, re.M
    )
    assert re.search(r"\] Iteration 3, lr = 0.005$", log, re.M)
    shown = run(
        "test", solver_file.name, "--weights", "short_iter_12.caffemodel", "--device", "cpu"
    )
    value = re.search(r"detection_eval = ([\d.]+)", shown.out)
    assert value is not None
    assert float(value[1]) == pytest.approx(result.json["test"]["detection_eval"], abs=1e-3)
    names = {item.display_name for item in read_labelmap(Path("labelmap.prototxt"))}
    rows = re.findall(r"^(\S+) +[\d.]+$", shown.out, re.M)
    assert rows
    assert set(rows) < names  # the net's own labelmap names the classes


def test_the_same_for_any_number_of_workers(solver_file: Path) -> None:
    found = []
    for workers in (0, 1, 3):
        options = TrainOptions([Path("initial.caffemodel")], workers=workers, max_iter=3)
        losses: list[float] = []
        train_file(
            read_solver(solver_file),
            options,
            [lambda e, losses=losses: losses.append(e.loss) if isinstance(e, Displayed) else None],
        )
        found.append(losses)
    assert found[0] == found[1] == found[2]


def test_killed_and_resumed_it_ends_with_the_same_losses(solver_file: Path) -> None:
    base = ["train", solver_file.name, "--device", "cpu", "--weights", "initial.caffemodel"]
    command = [sys.executable, "-m", "ssd_data", *base]
    whole = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    expected = printed(whole)
    for path in Path().glob("short_*"):
        path.unlink()
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    for line in child.stderr:
        if line.startswith("Iteration 6, loss"):
            child.kill()
            break
    child.communicate()
    assert Path("short_iter_4.solverstate").exists()
    assert not Path("short_iter_12.solverstate").exists()
    again = subprocess.run(
        [*command, "--resume", "auto"], capture_output=True, text=True, check=True
    ).stderr
    assert "resuming from short_iter_4.solverstate" in again
    assert printed(again) == {i: loss for i, loss in expected.items() if i >= 4}
    assert re.findall("Test net.*", again) == re.findall("Test net.*", whole)


def test_sigint_writes_a_snapshot_and_stops(solver_file: Path) -> None:
    text = solver_file.read_text().replace("max_iter: 12", "max_iter: 100000")
    solver_file.write_text(text.replace("snapshot: 4", "snapshot: 100000"))
    command = [sys.executable, "-m", "ssd_data", "train", solver_file.name, "--device", "cpu"]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    lines = []
    for line in child.stderr:
        lines.append(line)
        if line.startswith("Iteration 2, loss"):
            os.kill(child.pid, signal.SIGINT)
            break
    _, rest = child.communicate()
    assert child.returncode == 130
    assert "stopping: a snapshot is written" in rest
    (state,) = Path().glob("short_iter_*.solverstate")
    assert snapshots.newest_whole("short") == state


def test_a_half_written_snapshot_is_passed_over(solver_file: Path) -> None:
    train_file(read_solver(solver_file), TrainOptions(max_iter=8))
    newest = Path("short_iter_8.solverstate")
    newest.write_bytes(newest.read_bytes()[:100])
    assert snapshots.newest_whole("short") == Path("short_iter_4.solverstate")
    Path("short_iter_4.caffemodel").unlink()
    assert snapshots.newest_whole("short") is None


def test_old_snapshots_go_and_the_best_stays(solver_file: Path) -> None:
    text = solver_file.read_text().replace("test_interval: 6", "test_interval: 4")
    solver_file.write_text(text)
    result = train_file(
        read_solver(solver_file), TrainOptions([Path("initial.caffemodel")], keep=1)
    )
    left = {number for number, _ in snapshots.find_snapshots("short")}
    assert 12 in left
    assert len(left) <= 2
    assert result.best is not None


def test_a_loss_that_is_no_number_says_where_and_which_records(solver_file: Path) -> None:
    solver_file.write_text(solver_file.read_text().replace("base_lr: 0.005", "base_lr: 1e30"))
    with pytest.raises(DivergedError) as error:
        train_file(read_solver(solver_file), TrainOptions([Path("initial.caffemodel")]))
    assert "in iteration " in error.value.what
    assert "records: 0000" in error.value.what
    assert 'layer "' in error.value.where


def test_an_exploding_loss_stops_and_the_way_back_is_said(
    solver_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = read_solver(solver_file)
    file.param.snapshot = 2
    options = TrainOptions(weights=[Path("initial.caffemodel")], max_iter=4, seed=0)
    train_file(file, options)
    prefix = file.param.snapshot_prefix
    model, _ = snapshots.snapshot_paths(prefix, 4)
    net = caffe_pb2.NetParameter.FromString(model.read_bytes())
    next(layer for layer in net.layer if layer.blobs).blobs[0].data[0] = np.nan
    model.write_bytes(net.SerializeToString())  # whole, but not good
    file.param.base_lr, file.param.snapshot = 1e6, 0
    monkeypatch.setattr("ssd_data.training.solver.EXPLODED", 1.5)
    with pytest.raises(DivergedError) as error:
        train_file(file, options)
    assert "records: 0000" in error.value.what
    assert "layer" in error.value.where
    _, good = snapshots.snapshot_paths(prefix, 2)
    assert f"--resume {good}" in error.value.hint
    assert "Optimization stopped early." in Path(f"{prefix}.log").read_text().splitlines()[-1]


def test_what_a_solver_names_wrongly(solver_file: Path, tmp_path: Path) -> None:
    text = solver_file.read_text()
    solver_file.write_text(text.replace('"train.prototxt"', '"trian.prototxt"'))
    with pytest.raises(InputError, match='"trian.prototxt" is not there') as error:
        read_solver(solver_file)
    assert "relative to the folder you run in" in error.value.hint
    solver_file.write_text(text)
    os.chdir(tmp_path)
    with pytest.raises(InputError) as error:
        read_solver("run/short.prototxt")
    assert "run in that folder" in error.value.hint


def test_restoring_another_nets_state(folder: Path) -> None:
    solver = Solver("solver_sgd.prototxt")
    state = snapshots.read_snapshot("sgd_iter_60.solverstate")
    snapshots.write_snapshot(
        "other", state.progress, solver.net.graph.net, solver.net.weights(), state.history[:-1], {}
    )
    with pytest.raises(InputError, match="arrays of history"):
        solver.restore("other_iter_60.solverstate")


def test_waiting_is_measured(solver_file: Path) -> None:
    started = time.monotonic()
    shown: list[Displayed] = []
    train_file(
        read_solver(solver_file),
        TrainOptions(max_iter=4, workers=0),
        [lambda e: shown.append(e) if isinstance(e, Displayed) else None],
    )
    assert shown[-1].speed > 0
    assert 0 <= shown[-1].waiting <= 1
    assert time.monotonic() > started
