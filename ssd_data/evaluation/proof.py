"""Whether two nets are the same function: both compute, and their outputs are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ssd_data.core.errors import InputError
from ssd_data.engines.torch import require_torch
from ssd_data.nets.caffemodel import Caffemodel, LayerWeights
from ssd_data.nets.graph import Graph
from ssd_data.nets.matching import TrainedNet

if TYPE_CHECKING:
    from ssd_data.engines.torch.net import Net

RANGES = (1.0, 128.0)  # values of the random inputs: within ±1, and within ±128
_PICKS_BOXES = ("DetectionOutput", "DetectionEvaluate")
_SQUASHES = ("Softmax", "Sigmoid", "Flatten", "Reshape")


@dataclass(frozen=True, slots=True)
class Difference:
    """How far one output of two nets differs.

    Attributes:
        name: the blob's.
        largest: the largest absolute difference.
        scale: the largest absolute value of the first net.
    """

    name: str
    largest: float
    scale: float

    @property
    def relative(self) -> float:
        """The difference by the largest value, or by 1 where that is smaller."""
        return self.largest / max(self.scale, 1.0)


def compare(
    before: Graph,
    before_layers: Sequence[LayerWeights],
    after: Graph,
    after_layers: Sequence[LayerWeights],
    seed: int = 0,
) -> list[Difference]:
    """Run two nets on the same random inputs, one within ±1 and one within ±128.

    The outputs are compared; in place of a DetectionOutput's, which are a choice of boxes, the
    locations and scores that it makes them from. Layers that these do not need are not run.

    Raises:
        InputError: a layer lacks its arrays, cannot be computed, or an output is no number.
        UsageError: PyTorch is not installed.
    """
    names = compared_blobs(before)
    nets = (_load(before, before_layers, names), _load(after, after_layers, names))
    random = np.random.default_rng(seed)
    differences: list[Difference] = []
    for size in RANGES:
        inputs = {n: random.uniform(-size, size, nets[0].blobs[n].shape) for n in nets[0].inputs}
        for net in nets:
            for name in net.inputs:
                net.blobs[name].data[...] = inputs[name]
            net.forward()
        differences += [
            _difference(name, *(net.blobs[name].data for net in nets)) for name in names
        ]
    return [max((d for d in differences if d.name == name), key=_rank) for name in names]


def compared_blobs(graph: Graph) -> list[str]:
    """The outputs, or what a DetectionOutput makes them from, or what a Softmax or Sigmoid reads.

    Far from the inputs that a net is made for, scores are large, and small differences in them
    are large ones in confidences.
    """
    names: dict[str, None] = {}
    writers = graph.producers()
    waiting = list(graph.outputs)
    while waiting:
        name = waiting.pop(0)
        last = writers[name][-1]
        if last.type in _PICKS_BOXES:
            waiting += last.bottoms[:2]
        elif last.type in _SQUASHES and name not in last.bottoms:
            waiting += last.bottoms
        else:
            names[name] = None
    return list(names)


def _load(graph: Graph, layers: Sequence[LayerWeights], names: Sequence[str]) -> Net:
    require_torch()
    from ssd_data.engines.torch.net import Net

    part = TrainedNet(graph, layers).part(names)
    net = Net(part.graph)
    model = Caffemodel(list(part.layers), origin=graph.origin)
    if missing := net.copy_from(model).new if any(s.params for s in net.steps) else []:
        raise InputError(
            f'the caffemodel has no arrays for layer "{missing[0]}"', where=graph.origin
        )
    return net


def _difference(name: str, first: np.ndarray, second: np.ndarray) -> Difference:
    if not np.isfinite(first).all():
        raise InputError(
            f'the net gives values in "{name}" that are no numbers (NaN or infinite)',
            hint="See ssd-data weights stats",
        )
    largest = float(np.abs(first.astype(np.float64) - second).max(initial=0))
    return Difference(name, largest, float(np.abs(first).max(initial=0)))


def _rank(difference: Difference) -> float:
    return difference.relative if difference.relative == difference.relative else np.inf
