"""What a solver displays of its last batch: losses, their parts, how fast it is; what is wrong."""

from __future__ import annotations

import math
import time
from pathlib import Path

import numpy as np

from ssd_data.core.errors import SsdDataError
from ssd_data.engines.torch.layers.annotateddata import data_layers
from ssd_data.engines.torch.net import Net
from ssd_data.training.processes import Processes

LISTED = 8


class DivergedError(SsdDataError):
    """The loss is NaN, infinite, or over ten thousand times the first one."""


def outputs(net: Net, processes: Processes) -> list[tuple[str, float, list[float]]]:
    """Name, loss weight and values of each output; of a loss the sum over all processes."""
    weights = {
        name: weight
        for layer, own in zip(net.steps, net.flow.loss_weights, strict=True)
        for name, weight in zip(layer.node.tops, own, strict=False)
    }
    found = []
    for name in net.outputs:
        values, weight = np.ravel(net.blobs[name].data).tolist(), weights.get(name, 0.0)
        found.append((name, weight, processes.all_sum(values) if weight else values))
    return found


def parts(net: Net, processes: Processes) -> dict[str, float]:
    """What a MultiBoxLoss says of its last batch, the processes' parts added up."""
    for layer in net.steps:
        found = getattr(layer, "parts", None)
        if found is not None:
            names = ("loc", "conf", "matches")
            values = processes.all_sum([float(getattr(found, name)) for name in names])
            return dict(zip(names, values, strict=True))
    return {}


def diverged(
    net: Net, processes: Processes, iteration: int, loss: float, good: Path | None
) -> DivergedError:
    """Names the first blob that is no number, else the largest, and the records of the batch.

    Args:
        loss: of this process's part of the batch; the part that is no number counts, else the
            largest.
        good: the last snapshot whose weights are numbers.
    """
    keys = [key for layer in data_layers(net) for key in layer.keys]
    records = f"; records: {', '.join(keys[:LISTED])}" if keys else ""
    records += f" and {len(keys) - LISTED} more" if len(keys) > LISTED else ""
    what = f"the loss is {loss:.6g} in iteration {iteration}{records}"
    badness = abs(loss) if math.isfinite(loss) else math.inf
    said = processes.all_gather((badness, what, _worst(net)))
    _, what, where = max(said, key=lambda one: one[0])
    hint = "Lower base_lr, or see ssd-data check and ssd-data weights stats. "
    hint += f"The last good snapshot: --resume {good}" if good else "There is no good snapshot"
    return DivergedError(what, where=where, hint=hint)


def _worst(net: Net) -> str:
    where, most = "the loss", 0.0
    for layer in net.steps:
        for name in layer.node.tops if most < math.inf else ():
            largest = float(net.blobs[name].tensor.abs().max())
            if not largest <= most:  # or no number
                where = f'{layer.node.where}, blob "{name}"'
                most = largest if math.isfinite(largest) else math.inf
    return where


class Clock:
    """How fast a run is, and how much of its time it waits for data, between two readings."""

    def __init__(self) -> None:
        self._time = time.perf_counter()
        self._iteration: int | None = None
        self._waited = 0.0

    def read(self, iteration: int, net: Net, iter_size: int) -> tuple[float | None, float | None]:
        """(pictures a second, share of time waited) since the last reading; None at the first."""
        now = time.perf_counter()
        layers = list(data_layers(net))
        waited = sum(layer.waited for layer in layers)
        batch = sum(layer.global_batch for layer in layers)
        speed = share = None
        if self._iteration is not None and now > self._time:
            pictures = (iteration - self._iteration) * iter_size * batch
            speed = pictures / (now - self._time)
            share = min(1.0, (waited - self._waited) / (now - self._time))
        self._time, self._iteration, self._waited = now, iteration, waited
        return speed, share
