"""The solver: what ``caffe train`` does, in its order (``src/caffe/solver.cpp``)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ssd_data.engines.torch.blob import to_numpy
from ssd_data.engines.torch.net import Net
from ssd_data.engines.torch.trainable import Trainable
from ssd_data.errors import InputError, SsdDataError
from ssd_data.proto import caffe_pb2
from ssd_data.training import snapshots
from ssd_data.training.clock import Clock
from ssd_data.training.events import (
    Displayed,
    Event,
    Listener,
    Snapshotted,
    Stepped,
    Tested,
)
from ssd_data.training.feeding import feeding
from ssd_data.training.parameters import parameters
from ssd_data.training.rates import Progress, coming_rate, learning_rate
from ssd_data.training.solverfile import SolverFile, read_solver, to_solver_file
from ssd_data.training.testing import run_test
from ssd_data.training.updates import clip_, find_kind, regularize

EXPLODED = 1e4  # times the first loss


class DivergedError(SsdDataError):
    """The loss is NaN, infinite, or over ten thousand times the first one."""


class Solver:
    """Trains a net as its solver's prototxt says.

    Args:
        source: the prototxt, or its message.
        device: as for :class:`~ssd_data.engines.torch.net.Net`; by default ``cpu``.

    Attributes:
        net: the training net. test_nets: the test nets, which share its parameters.
        iter: how many updates were made.
        listeners: called with each :class:`Displayed`, :class:`Tested`, :class:`Snapshotted`.

    Raises:
        InputError: the solver or a net is wrong.
    """

    def __init__(
        self,
        source: Path | str | caffe_pb2.SolverParameter | SolverFile,
        device: str | None = None,
    ) -> None:
        if isinstance(source, caffe_pb2.SolverParameter):
            source = to_solver_file(source)
        self.file = source if isinstance(source, SolverFile) else read_solver(source)
        self.param = self.file.param
        self.kind = find_kind(self.param)
        if self.param.random_seed >= 0:
            torch.manual_seed(self.param.random_seed)
        self.net = Net(self.file.train, device=device)
        self.trainable = Trainable(self.net)
        self.test_nets = [Net(graph, device=device) for graph in self.file.tests]
        self.progress = Progress()
        self.listeners: list[Listener] = []
        self.params = parameters(self.net, self.kind.histories)
        self.stopped = False
        self.options: dict[str, object] = {}  # written beside each snapshot
        self._losses: list[float] = []
        self._bound = math.inf  # what no loss may come to
        self._first = 0
        self._clock = Clock()

    @property
    def iter(self) -> int:
        """How many updates were made."""
        return self.progress.iteration

    def solve(self, resume_file: Path | str | None = None) -> None:
        """Train to ``max_iter``, with a snapshot and a test at the end as the solver says."""
        param = self.param
        if resume_file is not None:
            self.restore(resume_file)
        self.stopped = False
        self.step(param.max_iter - self.iter)
        due = not param.snapshot or self.iter % param.snapshot != 0
        if param.snapshot_after_train and due:
            self.snapshot()
        if self.stopped:
            return
        if param.display and self.iter % param.display == 0:
            # A forward in TRAIN, which also moves the statistics of BatchNorm, as in the original.
            self._show(self._smooth(float(self.trainable.forward().detach())))
        if param.test_interval and self.iter % param.test_interval == 0:
            self.test_all()

    def step(self, count: int) -> None:
        """Make ``count`` updates; the smoothed loss starts anew.

        Raises:
            DivergedError: the loss is no number any more.
        """
        self._losses, self._first = [], self.iter
        self.progress.smoothed_loss = 0.0
        for _ in range(count):
            if self._is_test_due():
                self.test_all()
                if self.stopped:
                    return
            loss = self._smooth(self._forward_backward())
            if self.param.display and self.iter % self.param.display == 0:
                self._show(loss)
            self._update()
            self.progress.iteration += 1
            self._tell(Stepped(self.iter, loss))
            if self.param.snapshot and self.iter % self.param.snapshot == 0:
                self.snapshot()
            if self.stopped:
                return

    def stop(self) -> None:
        """End :meth:`step` after the update that is being made."""
        self.stopped = True

    def test_all(self) -> list[Tested]:
        """Run all test nets on the parameters as they are."""
        results = []
        for index, net in enumerate(self.test_nets):
            net.share_with(self.net)
            count = self.param.test_iter[index]
            tested = run_test(net, count, self.param, self.iter, index, lambda: self.stopped)
            if tested is not None:
                results.append(tested)
                self._tell(tested)
        return results

    # ---- snapshots ----

    def snapshot(self) -> tuple[Path, Path]:
        """Write ``<snapshot_prefix>_iter_<iter>.caffemodel`` and ``.solverstate``.

        Raises:
            OutputError: a file cannot be written.
        """
        histories = zip(*(param.history for param in self.params), strict=True)
        written = snapshots.write_snapshot(
            self.param.snapshot_prefix,
            self.progress,
            self.net.to_proto(),
            self.net.weights(),
            [to_numpy(tensor) for history in histories for tensor in history],
            self.beside(),
        )
        self._tell(Snapshotted(self.iter, *written))
        return written

    def restore(self, path: Path | str) -> None:
        """Go on from a solver state, ours or the original's.

        Raises:
            InputError: it cannot be read, or is another net's or solver type's.
        """
        found = snapshots.read_snapshot(path)
        slots = [param.history for param in self.params]
        wanted = [history[i] for i in range(self.kind.histories) for history in slots]
        if len(found.history) != len(wanted):
            raise InputError(
                f"it holds {len(found.history)} arrays of history, this solver has {len(wanted)}",
                where=path,
                hint="Is it a snapshot of this net and this solver type?",
            )
        self.net.copy_from(snapshots.learned_net(found, path))
        for tensor, array in zip(wanted, found.history, strict=True):
            if tensor.numel() != array.size:
                raise InputError("its history has other shapes than the net", where=path)
            tensor.copy_(torch.from_numpy(array.reshape(tuple(tensor.shape))))
        self.progress = found.progress
        self.resume_from(found.beside)

    def beside(self) -> dict[str, object]:
        """What a snapshot keeps besides Caffe's files: where data and random state stand."""
        return {
            "version": 1,
            "positions": [
                {layer.node.name: layer.position for layer in feeding(net)}
                for net in (self.net, *self.test_nets)
            ],
            "options": self.options,
            "random": torch.get_rng_state().numpy().tobytes().hex(),
        }

    def resume_from(self, beside: Mapping[str, Any]) -> None:
        """Set data and random state.

        Of Caffe's own snapshots the position follows from the iteration: iteration times
        ``iter_size`` times the batch.
        """
        kept = beside.get("positions") or [{}]
        for net, positions in zip((self.net, *self.test_nets), kept, strict=False):
            for layer in feeding(net):
                batch = layer.param.data_param.batch_size
                counted = self.iter * self.param.iter_size * batch if net is self.net else 0
                layer.position = int(positions.get(layer.node.name, counted))
        if state := beside.get("random"):
            torch.set_rng_state(torch.frombuffer(bytearray.fromhex(state), dtype=torch.uint8))

    # ---- one iteration ----

    def _forward_backward(self) -> float:
        self.net.clear_param_diffs()
        total = 0.0
        for _ in range(self.param.iter_size):
            loss = self.trainable.forward()
            value = float(loss.detach())
            if not abs(value) < self._bound:
                raise self._diverged(value)
            if self._bound == math.inf:
                self._bound = EXPLODED * max(abs(value), 1)
            self.trainable.backward(loss)
            total += value
        return total / self.param.iter_size

    def _update(self) -> None:
        """Clip, average over ``iter_size``, add decay, apply the rule: in this order."""
        param = self.param
        rate = self.rate()
        with torch.no_grad():
            clip_([p.blob.grad for p in self.params], param.clip_gradients)
            for p in self.params:
                gradient, weights = p.blob.grad, p.blob.tensor.detach()
                if param.iter_size > 1:
                    gradient.mul_(1 / param.iter_size)
                decay = param.weight_decay * p.decay_mult
                regularize(gradient, weights, decay, param.regularization_type)
                update = self.kind.rule(gradient, p.history, rate * p.lr_mult, param, self.iter)
                weights.sub_(update)

    def rate(self) -> float:
        """The learning rate of the coming update."""
        return learning_rate(self.param, self.progress)

    def _smooth(self, loss: float) -> float:
        """The loss over the last ``average_loss`` iterations of this :meth:`step`."""
        window, losses = self.param.average_loss, self._losses
        smoothed = self.progress.smoothed_loss
        if len(losses) < window:
            losses.append(loss)
            smoothed = (smoothed * (len(losses) - 1) + loss) / len(losses)
        else:
            place = (self.iter - self._first) % window
            smoothed += (loss - losses[place]) / window
            losses[place] = loss
        self.progress.smoothed_loss = smoothed
        return smoothed

    def _is_test_due(self) -> bool:
        interval = self.param.test_interval
        first = self.iter > 0 or self.param.test_initialization
        return bool(interval and self.iter % interval == 0 and first)

    # ---- telling ----

    def _show(self, loss: float) -> None:
        outputs = []
        weights = {
            name: weight
            for layer, own in zip(self.net.steps, self.net.flow.loss_weights, strict=True)
            for name, weight in zip(layer.node.tops, own, strict=False)
        }
        for name in self.net.outputs:
            values = np.ravel(self.net.blobs[name].data).tolist()
            outputs.append((name, weights.get(name, 0.0), values))
        rate = coming_rate(self.param, self.progress)
        speed, waiting = self._clock.read(self.iter, self.net, self.param.iter_size)
        self._tell(Displayed(self.iter, loss, rate, outputs, _parts(self.net), speed, waiting))

    def _tell(self, event: Event) -> None:
        for listener in self.listeners:
            listener(event)

    def _diverged(self, loss: float) -> DivergedError:
        """Names the first blob that is no number, else the largest, and the batch's records."""
        where, most = "the loss", 0.0
        for layer in self.net.steps:
            for name in layer.node.tops if most < math.inf else ():
                largest = float(self.net.blobs[name].tensor.abs().max())
                if not largest <= most:  # or no number
                    where = f'{layer.node.where}, blob "{name}"'
                    most = largest if math.isfinite(largest) else math.inf
        good = snapshots.newest_good(self.param.snapshot_prefix)
        keys = [key for layer in feeding(self.net) for key in layer.keys]
        records = f"; records: {', '.join(keys[:8])}" if keys else ""
        records += f" and {len(keys) - 8} more" if len(keys) > 8 else ""
        return DivergedError(
            f"the loss is {loss:.6g} in iteration {self.iter}{records}",
            where=where,
            hint="Lower base_lr, or see ssd-data check and ssd-data weights stats. "
            + (f"The last good snapshot: --resume {good}" if good else "There is no good snapshot"),
        )


def _parts(net: Net) -> dict[str, float]:
    """What a MultiBoxLoss says of its last batch."""
    for layer in net.steps:
        parts = getattr(layer, "parts", None)
        if parts is not None:
            return {name: float(getattr(parts, name)) for name in ("loc", "conf", "matches")}
    return {}


def get_solver(path: Path | str, device: str | None = None) -> Solver:
    """A solver from its prototxt, as pycaffe's function of that name."""
    return Solver(path, device)
