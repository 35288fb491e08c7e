"""The golden run, trained in the working folder, and what came of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from ssd_data.engines.torch.net import Net
from ssd_data.nets.caffemodel import read_caffemodel
from ssd_data.training.log import Displayed, Event
from ssd_data.training.options import Extras, TrainOptions
from ssd_data.training.run import train_file
from ssd_data.training.solver import Solver
from ssd_data.training.solver_file import read_solver

LINE = re.compile(r"^Iteration (\d+), loss = (\S+)$", re.M)
TRAINED = Path("sgd_iter_120.caffemodel")


def solver_of(path: str = "solver_sgd.prototxt", **extras: Any) -> Solver:
    solver = Solver(path, extras=Extras(**extras))
    solver.net.copy_from("initial.caffemodel")
    solver.param.test_interval = solver.param.snapshot = 0
    return solver


def trained(path: Path, most: int, events: list[Event] | None = None, **extras: Any) -> None:
    options = TrainOptions([Path("initial.caffemodel")], device="cpu", max_iter=most, extras=extras)
    train_file(read_solver(path), options, [] if events is None else [events.append])


def losses_of(solver: Solver, count: int) -> np.ndarray:
    losses: list[float] = []
    solver.listeners.append(lambda e: losses.append(e.loss) if isinstance(e, Displayed) else None)
    solver.step(count)
    return np.array(losses)


def printed(err: str) -> dict[int, str]:
    return {int(n): loss for n, loss in LINE.findall(err)}


def arrays_of(net: Net) -> list[np.ndarray]:
    return [array for layer in net.weights() for array in layer.arrays]


def arrays_in(path: Path | str) -> list[np.ndarray]:
    return [array for layer in read_caffemodel(path).layers for array in layer.arrays]
