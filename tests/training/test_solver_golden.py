"""The solver against the original's own runs: every parameter after every iteration."""

from __future__ import annotations

import numpy as np
import pytest
from support import GOLDEN

from ssd_data.nets.prototxt import read_prototxt
from ssd_data.proto import caffe_pb2
from ssd_data.training.solver import Solver

FOLDER = GOLDEN / "layers"
CASES = sorted(p.stem for p in FOLDER.glob("solver_*.npz"))
TOLERANCE = 1e-4  # of an array's largest value


@pytest.mark.parametrize("case", CASES)
def test_solver(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)
    arrays = {key.replace("|", "/"): v for key, v in np.load(f"{case}.npz").items()}
    solver = Solver(f"{case}.prototxt")
    for name in solver.net.inputs:
        solver.net.blobs[name].data[...] = arrays[f"in/{name}"]
    set_parameters(solver, arrays, 0)
    losses = []
    for iteration in range(1, 13):
        solver.step(1)
        losses.append(float(solver.net.blobs["loss"].data))
        assert_parameters(solver, arrays, iteration)
    np.testing.assert_allclose(losses, arrays["loss"], rtol=1e-4)


def entries(arrays: dict[str, np.ndarray], iteration: int) -> list[tuple[str, int, np.ndarray]]:
    start = f"iter{iteration}/"
    found = []
    for key, value in arrays.items():
        if key.startswith(start):
            layer, _, index = key.removeprefix(start).rpartition("/")
            found.append((layer, int(index), value))
    return found


def set_parameters(solver: Solver, arrays: dict[str, np.ndarray], iteration: int) -> None:
    for layer, index, value in entries(arrays, iteration):
        solver.net.params[layer][index].data[...] = value


def assert_parameters(solver: Solver, arrays: dict[str, np.ndarray], iteration: int) -> None:
    compared = entries(arrays, iteration)
    assert compared
    for layer, index, theirs in compared:
        ours = solver.net.params[layer][index].data
        scale = np.abs(theirs).max() or 1.0
        worst = np.abs(ours - theirs).max() / scale
        assert worst <= TOLERANCE, f"iteration {iteration}, {layer}/{index}: {worst:.2e}"


def test_all_nine_are_here() -> None:
    types = {
        read_prototxt(FOLDER / f"{c}.prototxt", caffe_pb2.SolverParameter).message.type
        for c in CASES
    }
    assert len(CASES) == 9
    assert types == {"SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam"}
