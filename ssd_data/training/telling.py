"""What a solver says of its last batch: losses, their parts, and what is wrong with it."""

from __future__ import annotations

import math

import numpy as np
import torch

from ssd_data.engines.torch.net import Net
from ssd_data.errors import SsdDataError
from ssd_data.training.feeding import feeding
from ssd_data.training.processes import Processes

LISTED = 8


class DivergedError(SsdDataError):
    """The loss is NaN or infinite."""


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
        found.append((name, weight, processes.sums(values) if weight else values))
    return found


def parts(net: Net, processes: Processes) -> dict[str, float]:
    """What a MultiBoxLoss says of its last batch, the processes' parts added up."""
    for layer in net.steps:
        found = getattr(layer, "parts", None)
        if found is not None:
            names = ("loc", "conf", "matches")
            values = processes.sums([float(getattr(found, name)) for name in names])
            return dict(zip(names, values, strict=True))
    return {}


def diverged(net: Net, processes: Processes, iteration: int, loss: float) -> DivergedError:
    """Names the first blob that is no number, and the records of the batch it is in.

    Args:
        loss: of this process's part of the batch; the first process whose part is no number counts.
    """
    keys = [key for layer in feeding(net) for key in layer.keys]
    records = f"; records: {', '.join(keys[:LISTED])}" if keys else ""
    what = f"the loss is {loss} in iteration {iteration}{records}"
    said = processes.gather((math.isfinite(loss), what, _first_broken(net)))
    _, what, where = min(said, key=lambda one: one[0])
    hint = "Lower base_lr, or see ssd-data check and ssd-data weights stats"
    return DivergedError(what, where=where, hint=hint)


def _first_broken(net: Net) -> str:
    for layer in net.steps:
        for name in layer.node.tops:
            if not bool(torch.isfinite(net.blobs[name].tensor).all()):
                return f'{layer.node.where}, blob "{name}"'
    return "the loss"
