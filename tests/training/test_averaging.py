"""``--ema``: the average itself, its file, tests on it, and resuming with it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.golden_run import TRAINED, arrays_in, arrays_of, solver_of, trained

from ssd_data.core.errors import InputError
from ssd_data.training import log as told
from ssd_data.training import snapshots
from ssd_data.training.log import Displayed, Event, Stepped
from ssd_data.training.options import TrainOptions
from ssd_data.training.run import train_file
from ssd_data.training.solver import Solver
from ssd_data.training.solver_file import read_solver


def test_the_average_is_what_the_formula_says(folder: Path) -> None:
    solver = solver_of(ema=0.3)
    expected = [a.astype(np.float64) for a in arrays_of(solver.net)]
    count = 0

    def follow(event: Event) -> None:
        nonlocal expected, count
        if isinstance(event, Stepped):
            d = min(0.3, (1 + count) / (10 + count))
            now = arrays_of(solver.net)
            expected = [d * a + (1 - d) * w for a, w in zip(expected, now, strict=True)]
            count += 1

    solver.listeners.append(follow)
    solver.step(6)
    last = arrays_of(solver.net)
    solver.param.snapshot_prefix = "averaged"
    model, _ = solver.snapshot()
    found = arrays_in("averaged_iter_6.ema.caffemodel")
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
    for ours, theirs in zip(arrays_in(model), last, strict=True):
        np.testing.assert_array_equal(ours, theirs)  # the parameters themselves are left
    assert any(np.abs(a - b).max() > 1e-4 for a, b in zip(found, last, strict=True))


def test_tests_run_on_the_average_and_say_so(solver_file: Path) -> None:
    events: list[Event] = []
    options = TrainOptions([TRAINED], device="cpu", max_iter=6, extras={"ema": 0.5})
    train_file(read_solver(solver_file), options, [events.append])
    tested = [e for e in events if isinstance(e, told.Tested)][-1]
    assert tested.averaged
    found = {}
    for name in ("short_iter_6.ema.caffemodel", "short_iter_6.caffemodel"):
        solver = Solver(solver_file)
        solver.net.copy_from(name)
        found[name] = solver.test_all()[0].per_class
        assert not solver.test_all()[0].averaged
    assert tested.per_class == found["short_iter_6.ema.caffemodel"]
    assert tested.per_class != found["short_iter_6.caffemodel"]
    assert "Test net weights: exponential moving average" in Path("short.log").read_text()
    rows = [json.loads(line) for line in Path("short.jsonl").read_text().splitlines()]
    assert {row["weights"] for row in rows if row["event"] == "test"} == {"average"}
    written = [row for row in rows if row["event"] == "snapshot"]
    assert [row["average"] for row in written] == [f"short_iter_{i}.ema.caffemodel" for i in (4, 6)]


def test_killed_and_resumed_with_average_and_warm_up(solver_file: Path) -> None:
    options = ["--device", "cpu", "--weights", "initial.caffemodel"]
    command = [sys.executable, "-m", "ssd_data", "train", solver_file.name]
    child = subprocess.Popen(
        [*command, *options, "--ema", "0.9", "--warm-up", "9"], stderr=subprocess.PIPE, text=True
    )
    assert child.stderr is not None
    for line in child.stderr:
        if line.startswith("Iteration 6, loss"):
            child.kill()
            break
    child.communicate()
    assert sorted(int(n) for n, _ in snapshots.find_snapshots("short")) == [4]
    events: list[Event] = []
    again = TrainOptions(resume="auto", device="cpu", max_iter=10)
    train_file(read_solver(solver_file), again, [events.append])
    names = [f"short_iter_10{ending}" for ending in (".caffemodel", ".ema.caffemodel")]
    resumed = {name: arrays_in(name) for name in names}
    whole: list[Event] = []
    trained(solver_file, 10, whole, ema=0.9, warm_up=9)
    for name in names:
        for ours, theirs in zip(resumed[name], arrays_in(name), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    losses = [
        {e.iteration: (e.loss, e.rate) for e in found if isinstance(e, Displayed)}
        for found in (events, whole)
    ]
    assert set(losses[0]) == set(range(4, 11))
    assert all(losses[1][i] == pair for i, pair in losses[0].items())
    results = [[e for e in found if isinstance(e, told.Tested)] for found in (events, whole)]
    assert results[0] == results[1]


def test_a_snapshot_whose_average_is_gone(solver_file: Path) -> None:
    trained(solver_file, 5, ema=0.9)
    Path("short_iter_5.ema.caffemodel").unlink()
    assert snapshots.newest_whole("short") == Path("short_iter_4.solverstate")
    again = TrainOptions(resume=Path("short_iter_5.solverstate"), max_iter=6)
    with pytest.raises(InputError, match="averaged weights .* are missing") as error:
        train_file(read_solver(solver_file), again)
    assert "--ema 0 " in error.value.hint
    again.extras = {"ema": 0.0}
    assert train_file(read_solver(solver_file), again).finished


def test_pruning_takes_the_average_along(solver_file: Path) -> None:
    train_file(read_solver(solver_file), TrainOptions(keep=1, max_iter=5, extras={"ema": 0.9}))
    names = {path.name for path in Path().glob("short_iter_*.caffemodel")}
    assert names == {f"short_iter_5{ending}" for ending in (".caffemodel", ".ema.caffemodel")}
