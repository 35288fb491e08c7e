"""The solver: what ``caffe train`` does, in its order (``src/caffe/solver.cpp``)."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch

from ssd_data.engines.torch.blob import to_numpy
from ssd_data.engines.torch.net import Net
from ssd_data.proto import caffe_pb2
from ssd_data.training import display, snapshots, updates
from ssd_data.training.display import Clock, diverged
from ssd_data.training.extras import ExtrasState
from ssd_data.training.log import Displayed, Event, Listener, Snapshotted, Stepped, Tested
from ssd_data.training.options import Extras
from ssd_data.training.processes import ALONE, Processes
from ssd_data.training.rates import Progress, warmed
from ssd_data.training.recipe.at_work import RecipeAtWork
from ssd_data.training.recipe.parts import TrainRecipe
from ssd_data.training.resuming import positions, random_states, set_positions, set_random_states
from ssd_data.training.smoothing import SmoothedLoss, smoothed_again
from ssd_data.training.solver_file import SolverFile, read_solver
from ssd_data.training.testing import run_test

EXPLODED = 1e4  # times the first loss
Stage: TypeAlias = Literal["idle", "updates", "test", "closing"]


class Solver:
    """Trains a net as its solver's prototxt says.

    >>> solver = Solver("tiny_ssd/solver.prototxt")
    >>> solver.step(1)
    >>> solver.iter
    1

    Args:
        source: the prototxt, or its message.
        device: as for :class:`~ssd_data.engines.torch.net.Net`; by default ``cpu``.
        extras: what the original has not; by default nothing. recipe: what is done otherwise.

    Attributes:
        net: the training net. test_nets: the test nets, which share its parameters.
        iter: how many updates were made.
        extras: what it does beyond the original.
        listeners: called with each :class:`Displayed`, :class:`Tested`, :class:`Snapshotted`.
        processes: those that share each batch; see ``loop.py``.

    Raises:
        InputError: the solver or a net is wrong.
    """

    def __init__(
        self,
        source: Path | str | caffe_pb2.SolverParameter | SolverFile,
        device: str | None = None,
        extras: Extras | None = None,
        recipe: TrainRecipe | None = None,
    ) -> None:
        self.file = source if isinstance(source, SolverFile) else read_solver(source)
        self.param = self.file.param
        self.recipe = RecipeAtWork(recipe, self.param)
        self.type = self.recipe.solver_type()
        if self.param.random_seed >= 0:
            torch.manual_seed(self.param.random_seed)
        self.net = Net(self.recipe.graph(self.file.train), device=device)
        self.recipe.prepare(self.net)
        self.extras = ExtrasState(self.net, extras or Extras())
        self.trainable = self.extras.trainable
        self.trainable.more_losses += self.recipe.losses(self.net)
        self.test_nets = [Net(graph, device=device) for graph in self.file.tests]
        self.progress = Progress()
        self.listeners: list[Listener] = []
        self.params = updates.parameters(self.net, self.type.histories)
        self.processes: Processes = ALONE
        self.stopped = False  # all processes know
        self.about: dict[str, object] = {}  # part of each resume state
        self.restored: Mapping[str, Any] = {}  # the resume state that it went on from
        self.saved = -1  # the iteration whose snapshot lies where this run writes its own
        self._began = 0
        self._stage: Stage = "idle"
        self._asked = False  # to stop
        self._smoothed: SmoothedLoss | None = None  # of the run that this one goes on with
        self.smoothed = SmoothedLoss(self.param.average_loss)
        self._bound = math.inf  # what no loss may come to
        self._clock = Clock()

    @property
    def iter(self) -> int:
        """How many updates were made."""
        return self.progress.iteration

    def solve(self, resume_file: Path | str | None = None) -> None:
        """Train to ``max_iter``, with a snapshot and a test at the end as the solver says."""
        if resume_file is not None:
            self.restore(resume_file)
        try:
            self.step(self.param.max_iter - self.iter)
            if not self.stopped:
                self._finish()
            elif self._is_unsaved():
                self.snapshot()
        finally:
            self._stage, self._asked = "idle", False

    def _finish(self) -> None:
        """The last snapshot, then the last test, before which BatchNorm moves on: so what was
        written by then stays as it is, whatever stops the test."""
        param = self.param
        due = not param.snapshot or self.iter % param.snapshot != 0
        if param.snapshot_after_train and due and self.saved != self.iter:
            self.snapshot()
        self._stage = "closing"
        if param.display and self.iter % param.display == 0:
            # A forward in TRAIN, which also moves the statistics of BatchNorm, as in the original.
            self._show(self._smooth(self._loss(self.trainable.forward())))
        if param.test_interval and self.iter % param.test_interval == 0:
            self.test_all()

    def step(self, count: int) -> None:
        """Make ``count`` updates; the smoothed loss starts anew.

        Raises:
            DivergedError: the loss is no number any more.
        """
        self.extras.begin()
        self.recipe.begin(self.net)
        self._began = self.iter
        new = SmoothedLoss(self.param.average_loss, first=self.iter)
        self.smoothed, self._smoothed = self._smoothed or new, None
        self.progress.smoothed_loss = self.smoothed.value
        self._agree()
        for _ in range(count):
            if not self.stopped and self._is_test_due():
                self._stage = "test"
                self.test_all()
            if self.stopped:
                return
            self._stage = "updates"
            loss = self._smooth(self._forward_backward())
            if self.param.display and self.iter % self.param.display == 0:
                self._show(loss)
            self._update()
            self.progress.iteration += 1
            self._tell(Stepped(self.iter, loss))
            if self.param.snapshot and self.iter % self.param.snapshot == 0:
                self.snapshot()
            self._agree()

    def stop(self) -> bool:
        """End :meth:`solve` after the update that is being made, if one is; whether a snapshot is
        written then, because updates were made that are in none."""
        self._asked = True
        return self._stage == "updates" or (self._stage == "test" and self._is_unsaved())

    def _is_unsaved(self) -> bool:
        return self.saved != self.iter > self._began

    def _is_asked_for(self) -> bool:
        """Whether the solver's file asks for a snapshot of this iteration."""
        p = self.param
        at_end = p.snapshot_after_train and self.iter == p.max_iter
        return bool(at_end or (p.snapshot and self.iter % p.snapshot == 0))

    def _agree(self, busy: bool = False) -> bool:
        """Stop where any process was asked to; returns whether one is busy."""
        asked, working = self.processes.all_max([self._asked, busy])
        self.stopped = bool(asked)
        return bool(working)

    def _is_stopped_while_busy(self) -> bool:
        self._agree(busy=True)
        return self.stopped

    def test_all(self) -> list[Tested]:
        """Run all test nets on the parameters as they are; process 0 does, the others wait."""
        results: list[Tested] = []
        if self.processes.rank:
            while self._agree():
                pass
            return results
        before = positions(self.test_nets)
        for index, net in enumerate(self.test_nets):
            net.share_with(self.net)
            count = self.param.test_iter[index]
            if not count:
                continue
            with self.extras.averaged() as averaged:
                tested = run_test(
                    net, count, self.param, self.iter, index, self._is_stopped_while_busy
                )
            if tested is not None:
                tested = replace(tested, averaged=averaged)
                results.append(tested)
                self._tell(tested)
        self._agree()
        if self.stopped:  # the test is made anew, with the same pictures
            set_positions(self.test_nets, before)
        return results

    # ---- snapshots ----

    def snapshot(self) -> tuple[Path, Path]:
        """Write ``<snapshot_prefix>_iter_<iter>.caffemodel`` and ``.solverstate``; process 0 does.

        Raises:
            OutputError: a file cannot be written.
        """
        kept, prefix = self.resume_state(), self.param.snapshot_prefix
        self.saved = self.iter
        if self.processes.rank:
            return snapshots.snapshot_paths(prefix, self.iter)
        with self.extras.averaged() as averaged:
            average = self.net.weights() if averaged else None
        written = snapshots.write_snapshot(
            prefix,
            self.progress,
            self.net.to_proto(),
            self.net.weights(),
            [to_numpy(tensor) for tensor in updates.histories(self.params)],
            kept,
            average,
        )
        third = written[0].with_suffix(snapshots.AVERAGE) if averaged else None
        self._tell(Snapshotted(self.iter, *written, third))
        return written

    def restore(self, path: Path | str) -> None:
        """Go on from a solver state, ours or the original's.

        Raises:
            InputError: it cannot be read, or is another net's or solver type's.
        """
        found = snapshots.read_snapshot(path)
        updates.set_histories(self.params, found.history, path)
        self.net.copy_from(snapshots.learned_net(found, path))
        self.progress, self.restored = found.progress, found.resume_state
        _, own = snapshots.snapshot_paths(self.param.snapshot_prefix, self.iter)
        self.saved = self.iter if os.path.realpath(own) == os.path.realpath(path) else -1
        self.load_resume_state(found.resume_state)
        self.extras.load_average(found.resume_state, path)

    def resume_state(self) -> dict[str, object]:
        """What a snapshot keeps besides Caffe's files: where data and random state stand."""
        return {
            "version": 1,
            snapshots.BETWEEN: self.stopped and not self._is_asked_for(),
            "positions": positions((self.net, *self.test_nets)),
            "smoothed": self.smoothed.kept(),
            "minimum_loss": self.progress.minimum_loss,
            **self.about,
            **self.extras.resume_state(),
            "processes": self.processes.world,
            **random_states(self.processes, self.net.device),
        }

    def load_resume_state(self, resume_state: Mapping[str, Any]) -> None:
        """Set data and random state.

        Of Caffe's own snapshots the position follows from the iteration: iteration times
        ``iter_size`` times the batch, of all processes.
        """
        self.extras.load_resume_state(resume_state)
        nets, counted = (self.net, *self.test_nets), self.iter * self.param.iter_size
        set_positions(nets, resume_state.get("positions") or [], counted)
        self._smoothed = smoothed_again(self.param.average_loss, resume_state.get("smoothed"))
        if (least := resume_state.get("minimum_loss")) is not None:  # not rounded, as in the state
            self.progress.minimum_loss = least
        set_random_states(resume_state, self.param.random_seed, self.processes, self.net.device)

    # ---- one iteration ----

    def _forward_backward(self) -> float:
        self.net.clear_param_diffs()
        total = 0.0
        for _ in range(self.param.iter_size):
            loss = self.trainable.forward()
            value = self._loss(loss)
            if not abs(value) < self._bound:
                good = snapshots.newest_good(self.param.snapshot_prefix)
                own = float(loss.detach())
                raise diverged(self.net, self.processes, self.iter, own, good)
            if self._bound == math.inf:
                self._bound = EXPLODED * max(abs(value), 1)
            self.extras.backward(loss)
            total += value
        self.processes.all_reduce_([p.blob.grad for p in self.params])
        return total / self.param.iter_size

    def _loss(self, own: torch.Tensor) -> float:
        """The loss of the whole batch, of which each process has a part."""
        return self.processes.all_sum([float(own.detach())])[0]

    def _update(self) -> None:
        """Apply the rule, where the gradients are of use."""
        rate = self._rate(self.progress)
        if not self.extras.unscale():
            return
        with torch.no_grad():
            updates.update_(self.params, self.type, rate, self.param, self.iter)
        self.extras.updated()

    def _rate(self, progress: Progress) -> float:
        """The learning rate of the coming update; the policy may move the progress."""
        rate = self.recipe.rate(progress)
        return warmed(rate, self.iter, self.extras.options.warm_up)

    def _smooth(self, loss: float) -> float:
        """The loss over the last ``average_loss`` iterations of this :meth:`step`."""
        self.progress.smoothed_loss = self.smoothed.add(self.iter, loss)
        return self.progress.smoothed_loss

    def _is_test_due(self) -> bool:
        interval = self.param.test_interval
        first = self.iter > 0 or self.param.test_initialization
        return bool(interval and self.iter % interval == 0 and first)

    # ---- listeners ----

    def _show(self, loss: float) -> None:
        outputs = display.outputs(self.net, self.processes)
        parts = display.parts(self.net, self.processes)
        rate = self._rate(replace(self.progress))
        speed, waiting = self._clock.read(self.iter, self.net, self.param.iter_size)
        self._tell(Displayed(self.iter, loss, rate, outputs, parts, speed, waiting))

    def _tell(self, event: Event) -> None:
        for listener in self.listeners:
            listener(event)


def get_solver(path: Path | str, device: str | None = None) -> Solver:
    """As pycaffe's function of that name.

    >>> get_solver("tiny_ssd/solver.prototxt").param.max_iter
    6000
    """
    return Solver(path, device)
