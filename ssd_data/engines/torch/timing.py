"""How long each layer takes, forward and backward, as ``caffe time`` measures it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import torch

from ssd_data.core.errors import UsageError
from ssd_data.engines.torch.mode import find_device
from ssd_data.engines.torch.net import Net
from ssd_data.engines.torch.randomise import randomise
from ssd_data.nets.graph import Graph
from ssd_data.nets.phases import Phase


@dataclass(frozen=True, slots=True)
class LayerTime:
    """A layer's mean times, in milliseconds."""

    name: str
    type: str
    forward: float
    backward: float


@dataclass(frozen=True, slots=True)
class Timing:
    """Mean times of some iterations, in milliseconds.

    Attributes:
        layers: in the net's order.
        forward, backward: of all layers.
        batch: pictures at a time, 0 where the net has no input.
    """

    layers: list[LayerTime]
    forward: float
    backward: float
    iterations: int
    batch: int
    phase: Phase
    device: str
    threads: int

    @property
    def total(self) -> float:
        """Of all iterations, forward and backward."""
        return self.iterations * (self.forward + self.backward)


def prepare(
    graph: Graph,
    weights: Path | str | None = None,
    *,
    batch: int | None = None,
    device: str = "cpu",
) -> Net:
    """A net with all its gradients, and random values in its inputs.

    Args:
        weights: a caffemodel; random ones by default.
        batch: pictures at a time; as many as the prototxt says by default.

    Raises:
        UsageError: ``batch`` for a net without inputs, or no such device.
        InputError: net or weights are wrong.
    """
    graph.net.force_backward = True
    net = Net(graph, device=str(find_device(device)))
    if batch is not None:
        if not net.inputs:
            raise UsageError(
                "the net reads its batches itself", where="--batch", hint="Change its batch_size"
            )
        for name in net.inputs:
            net.blobs[name].reshape(batch, *net.blobs[name].shape[1:])
        net.reshape()
    if weights is None:
        randomise(net)
    else:
        net.copy_from(weights)
        for name in net.inputs:
            net.blobs[name].tensor.uniform_(-1, 1)
    return net


def measure(net: Net, iterations: int = 50) -> Timing:
    """Time a net that :func:`prepare` made, after one iteration that does not count."""
    count = len(net.steps)
    forward, backward = [0.0] * count, [0.0] * count
    for iteration in range(iterations + 1):
        for times, run in ((forward, net.run), (backward, net.propagate)):
            ends = (0, count - 1) if times is forward else (count - 1, 0)
            watch = _Watch(net.device, times if iteration else [0.0] * count)
            run(*ends, watch)
    layers = [
        LayerTime(step.node.name, step.node.type, 1e3 * f / iterations, 1e3 * b / iterations)
        for step, f, b in zip(net.steps, forward, backward, strict=True)
    ]
    return Timing(
        layers,
        sum(layer.forward for layer in layers),
        sum(layer.backward for layer in layers),
        iterations,
        net.blobs[net.inputs[0]].num if net.inputs else 0,
        net.phase,
        str(net.device),
        torch.get_num_threads(),
    )


class _Watch:
    """Adds the seconds since it was last called to a layer's."""

    def __init__(self, device: torch.device, seconds: list[float]) -> None:
        self.device, self.seconds = device, seconds
        self.last = self._now()

    def __call__(self, index: int) -> None:
        now = self._now()
        self.seconds[index] += now - self.last
        self.last = now

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return perf_counter()
