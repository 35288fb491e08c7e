"""Do two nets, or several engines, agree? Outputs are compared as numbers, detections as sets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ssd_data.core.errors import InputError, OutputError
from ssd_data.core.structures import Detections, Flags
from ssd_data.engines import Array, Engine, to_detections
from ssd_data.engines.torch import require_torch
from ssd_data.evaluation.explained import nearest, unexplained
from ssd_data.nets.caffemodel import Caffemodel
from ssd_data.nets.detection import DETECTION_PARAMS, DETECTION_TYPE, detection_thresholds
from ssd_data.nets.edit.stats import largest_difference, largest_value
from ssd_data.nets.graph import Graph
from ssd_data.nets.matching import TrainedNet
from ssd_data.proto import caffe_pb2

if TYPE_CHECKING:
    from ssd_data.engines.torch.net import Net

ALLOWED = 1e-4  # of an output's largest value, for two forms of a net that should be equal
RANGES = (1.0, 128.0)  # values of the random inputs: within ±1, and within ±128
_PICKS_BOXES = (*DETECTION_PARAMS, "DetectionEvaluate")
_SQUASHES = ("Softmax", "Sigmoid", "Flatten", "Reshape")


@dataclass(frozen=True, slots=True)
class Difference:
    """How far one output of a net differs from the first net's, or the first engine's.

    Attributes:
        output: the blob's name, or "detections".
        engine: what gave the other side.
        largest: the largest absolute difference; for detections of scores and coordinates.
        scale: the largest absolute value of the first side; 1 for detections.
        unmatched: detections that only one side has, and that no threshold explains.
        compared: values, or detections.

    >>> found = Difference("loc", "opencv", largest=0.5, scale=50.0, compared=8)
    >>> found.relative, found.within(1e-3)
    (0.01, False)
    """

    output: str
    engine: str
    largest: float
    scale: float = 1.0
    unmatched: int = 0
    compared: int = 0

    @property
    def relative(self) -> float:
        """The difference by the largest value."""
        return self.relative_to(0)

    def relative_to(self, least: float) -> float:
        """The difference by the largest value, or by ``least`` where that is smaller."""
        return self.largest / (max(self.scale, least) or 1)

    def within(self, tolerance: float) -> bool:
        """Whether it is small enough: relative, and no detection without a counterpart."""
        return self.relative <= tolerance and not self.unmatched

    def sentence(self) -> str:
        """For people."""
        alone = f", {self.unmatched} that only one side has" if self.unmatched else ""
        what = f"{self.compared} {'' if self.output == 'detections' else 'values of '}{self.output}"
        return f"{self.engine}: {what}, largest difference {self.largest:.1e}{alone}"


# ---- outputs ----


def compare_values(output: str, engine: str, pairs: Sequence[tuple[Array, Array]]) -> Difference:
    """How far numbers differ, the worst of all pairs; NaN against a number is infinitely far.

    Raises:
        InputError: they have different shapes.
    """
    for ours, theirs in pairs:
        if ours.shape != theirs.shape:
            raise InputError(f'"{output}" has shape {ours.shape} and, by {engine}, {theirs.shape}')
    largest = max(largest_difference(ours, theirs) for ours, theirs in pairs)
    scale = max(largest_value(ours) for ours, _ in pairs)
    return Difference(output, engine, largest, scale, compared=sum(a.size for a, _ in pairs))


def compare_detections(
    output: str,
    engine: str,
    pairs: Iterable[tuple[Detections, Detections]],
    param: caffe_pb2.DetectionOutputParameter,
    boxes: Callable[[int], Detections | None] | None = None,
) -> Difference:
    """How far the detections of pictures differ, as sets; what is no number has no counterpart.

    Args:
        param: the thresholds at which rounding decides.
        boxes: of a picture, by its number, all that the first side's net gives before suppression,
            where that is known: then it is seen where rounding decided which of two equally good
            ones comes first.
    """
    largest, unmatched, compared = 0.0, 0, 0
    for number, (a, b) in enumerate(pairs):
        compared += len(a)
        sound = a.sound(), b.sound()
        unmatched += len(a) + len(b) - sum(map(len, sound))
        alone: list[Flags] = []
        for one, other in (sound, sound[::-1]):
            far, without = nearest(one, other)
            largest = max(largest, float(far[~without].max(initial=0)))
            alone.append(without)
        both = alone[0], alone[1]
        left = unexplained(sound, both, param)
        if left and boxes is not None:
            left = unexplained(sound, both, param, boxes(number))
        unmatched += left
    return Difference(output, engine, largest, 1.0, unmatched, compared)


# ---- one net in several engines ----


def compare_engines(
    engines: Sequence[Engine],
    batches: Sequence[Array],
    outputs: Sequence[str] | None = None,
    boxes: Callable[[Array], Detections | None] | None = None,
) -> list[Difference]:
    """Compare each engine with the first, output by output, the worst of all batches.

    Args:
        batches: preprocessed pictures.
        outputs: names; all of the first engine's by default.
        boxes: all that the first engine's net gives for a picture; see :func:`compare_detections`.

    Raises:
        InputError: outputs have different shapes.
    """
    pictures = [batch[i : i + 1] for batch in batches for i in range(len(batch))]
    known = None if boxes is None else lambda number: boxes(pictures[number])
    answers = [[engine.forward(batch) for batch in batches] for engine in engines]
    first = engines[0]
    writers = first.graph.producers()
    rows = []
    for engine, theirs in zip(engines[1:], answers[1:], strict=True):
        for name in first.outputs if outputs is None else outputs:
            pairs = [(a[name], b[name]) for a, b in zip(answers[0], theirs, strict=True)]
            writer = writers[name][-1]
            if writer.type in DETECTION_PARAMS:
                param = detection_thresholds(writer)
                found = (
                    both
                    for (a, b), batch in zip(pairs, batches, strict=True)
                    for both in zip(*(to_detections(x, len(batch)) for x in (a, b)), strict=True)
                )
                rows.append(compare_detections(name, engine.name, found, param, known))
            else:
                rows.append(compare_values(name, engine.name, pairs))
    return rows


# ---- two forms of one net ----


def compare_nets(before: TrainedNet, after: TrainedNet, seed: int = 0) -> list[Difference]:
    """Run two nets on the same random inputs, one within ±1 and one within ±128.

    The outputs are compared; in place of a DetectionOutput's, which are a choice of boxes, the
    locations and scores that it makes them from. Layers that these do not need are not run.

    Raises:
        InputError: a layer lacks its arrays, cannot be computed, or an output is no number.
        UsageError: PyTorch is not installed.
    """
    names = compared_blobs(before.graph)
    nets = [_load(trained.part(names)) for trained in (before, after)]
    random = np.random.default_rng(seed)
    found: dict[str, list[Difference]] = {name: [] for name in names}
    for size in RANGES:
        inputs = {n: random.uniform(-size, size, nets[0].blobs[n].shape) for n in nets[0].inputs}
        for net in nets:
            for name in net.inputs:
                net.blobs[name].data[...] = inputs[name]
            net.forward()
        for name in names:
            ours, theirs = (net.blobs[name].data for net in nets)
            if not np.isfinite(ours).all():
                raise InputError(
                    f'the net gives values in "{name}" that are no numbers (NaN or infinite)',
                    hint="See ssd-data weights stats",
                )
            found[name].append(compare_values(name, "torch", [(ours, theirs)]))
    return [max(rows, key=lambda row: row.relative_to(1)) for rows in found.values()]


def _load(trained: TrainedNet) -> Net:
    require_torch()
    from ssd_data.engines.torch.net import Net

    net, origin = Net(trained.graph), trained.graph.origin
    if any(step.params for step in net.steps):
        matching = net.copy_from(Caffemodel(list(trained.layers), origin=origin))
        if matching.new:
            what = f'the caffemodel has no arrays for layer "{matching.new[0]}"'
            raise InputError(what, where=origin)
    return net


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
            waiting += last.bottoms[:2] if last.type == DETECTION_TYPE else last.bottoms
        elif last.type in _SQUASHES and name not in last.bottoms:
            waiting += last.bottoms
        else:
            names[name] = None
    return list(names)


def require_equal(differences: Iterable[Difference], where: object, hint: str = "") -> None:
    """Refuse another form of a net that is not the same.

    Raises:
        OutputError: says the difference.
    """
    for found in differences:
        if not found.relative_to(1) <= ALLOWED:
            raise OutputError(
                f'"{found.output}" differs by {found.largest:.2g} after merging, of values up to '
                f"{found.scale:.2g}; nothing was written",
                where=where,
                hint=f"Please report it with the net{hint}",
            )
