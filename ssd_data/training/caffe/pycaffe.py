"""A real Caffe driven through its Python module, iteration by iteration.

pycaffe runs within this process: where one of its checks fails, it prints why and ends both.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ssd_data.engines.caffe import LEVEL
from ssd_data.nets.prototxt import read_prototxt
from ssd_data.proto import caffe_pb2
from ssd_data.training.caffe import gpus, solver_for_caffe
from ssd_data.training.log import Displayed, Event, Listener, Screen, Snapshotted, Tested
from ssd_data.training.rates import Progress, learning_rate
from ssd_data.training.snapshots import STATE, read_snapshot, snapshot_paths
from ssd_data.training.testing import score_outputs

NEVER = 2**31 - 1


def run_pycaffe(
    caffe: Any,
    solver: Path | str,
    *,
    weights: Sequence[Path],
    resume: Path | None,
    device: str | None,
    listeners: Sequence[Listener],
    asked: Callable[[], int],
    changes: Mapping[str, Any],
    quiet: bool = False,
) -> int:
    """Train with ``caffe.get_solver``; see :func:`ssd_data.training.caffe.binary.run_caffe`.

    The module keeps to itself what it would display and what its tests give: so its solver is told
    to do neither, and both are made of its blobs here, and printed as ``caffe train`` does. With
    ``iter_size`` the loss displayed is the last part's.

    Args:
        caffe: the module.

    Returns:
        how many iterations were made.
    """
    param = read_prototxt(solver, caffe_pb2.SolverParameter).message
    for name, value in changes.items():
        setattr(param, name, value)
    hushed: dict[str, Any] = {**changes, "display": 0}
    if param.test_iter:
        hushed |= {"test_interval": NEVER, "test_initialization": False}
    _set_device(caffe, device, param)
    with solver_for_caffe(solver, device, hushed) as (path, _):
        driven = caffe.get_solver(str(path))
    nets = [driven.net, *driven.test_nets]
    for file in weights:
        for net in nets:
            net.copy_from(str(file))
    if resume is not None:
        driven.restore(str(resume))
    run = _Run(driven, param, [*listeners, *([] if quiet else [_print])], asked)
    if resume is not None and resume.suffix == STATE:
        run.progress = read_snapshot(resume).progress  # which steps of the rate were made
    return run.solve()


_screen = Screen()


def _print(event: Event) -> None:
    """What ``caffe train`` would print; of its snapshots the module itself may tell."""
    if not (isinstance(event, Snapshotted) and os.environ.get(LEVEL) == "0"):
        _screen(event)


def _set_device(caffe: Any, device: str | None, param: caffe_pb2.SolverParameter) -> None:
    numbers = gpus(device)
    if not numbers and (device == "cpu" or param.solver_mode == caffe_pb2.SolverParameter.CPU):
        caffe.set_mode_cpu()
        return
    first = numbers.split(",")[0] or str(param.device_id)
    caffe.set_device(0 if first == "all" else int(first))
    caffe.set_mode_gpu()


class _Run:
    """A pycaffe solver on its way to ``max_iter``, in the order of ``Solver::Solve``."""

    def __init__(
        self,
        driven: Any,
        param: caffe_pb2.SolverParameter,
        listeners: Sequence[Listener],
        asked: Callable[[], int],
    ) -> None:
        self.driven, self.param = driven, param
        self.listeners, self.asked = listeners, asked
        self.progress = Progress(int(driven.iter))
        self.losses: deque[float] = deque(maxlen=max(param.average_loss, 1))
        self.interrupts = 0
        self.first = int(driven.iter)

    @property
    def wishes(self) -> int:
        return self.asked() + self.interrupts

    def solve(self) -> int:
        p, driven = self.param, self.driven
        while driven.iter < p.max_iter and not self.wishes:
            try:
                self._step()
            except KeyboardInterrupt:
                self.interrupts += 1
        if self.wishes > 1:
            return int(driven.iter)
        due = not p.snapshot or driven.iter % p.snapshot
        # What it went on from is there, and stays as it is.
        if due and (p.snapshot_after_train or self.wishes) and driven.iter != self.first:
            driven.snapshot()
            self._tell_snapshot()
        if not self.wishes:
            if p.display and driven.iter % p.display == 0:
                driven.net.forward()
                self._display(int(driven.iter))
            if p.test_interval and driven.iter % p.test_interval == 0:
                self._test()
        return int(driven.iter)

    def _step(self) -> None:
        p, driven = self.param, self.driven
        i = int(driven.iter)
        if p.test_interval and i % p.test_interval == 0 and (i or p.test_initialization):
            self._test()
            if self.wishes:
                return
        driven.step(1)
        self._display(i, shown=bool(p.display and i % p.display == 0))
        if p.snapshot and driven.iter % p.snapshot == 0:
            self._tell_snapshot()

    def _display(self, iteration: int, shown: bool = True) -> None:
        net = self.driven.net
        weights = dict(getattr(net, "blob_loss_weights", {})) or dict.fromkeys(net.outputs, 1.0)
        losses = [w * float(np.sum(net.blobs[n].data)) for n, w in weights.items() if w]
        self.losses.append(sum(losses))
        self.progress.iteration = iteration
        self.progress.smoothed_loss = float(np.mean(self.losses))
        rate = learning_rate(self.param, self.progress)
        if shown:
            outputs = [
                (n, float(weights.get(n, 0)), np.ravel(net.blobs[n].data).tolist())
                for n in net.outputs
            ]
            self._tell(Displayed(iteration, self.progress.smoothed_loss, rate, outputs))

    def _test(self) -> None:
        for index, net in enumerate(self.driven.test_nets):
            net.share_with(self.driven.net)
            rows: dict[str, list[npt.NDArray[np.float32]]] = {}
            for _ in range(self.param.test_iter[index]):
                if self.wishes:
                    return
                for name, values in net.forward().items():
                    rows.setdefault(name, []).append(np.array(values, np.float32))
            outputs, classes = score_outputs(rows.items(), self.param)
            self._tell(Tested(int(self.driven.iter), index, outputs, classes))

    def _tell_snapshot(self) -> None:
        iteration = int(self.driven.iter)
        hdf5 = self.param.snapshot_format == caffe_pb2.SolverParameter.HDF5
        files = snapshot_paths(self.param.snapshot_prefix, iteration, hdf5)
        self._tell(Snapshotted(iteration, *files))

    def _tell(self, event: Event) -> None:
        for listener in self.listeners:
            listener(event)
