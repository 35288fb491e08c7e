"""The same pictures through several engines, and how far their answers differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ssd_data.core.boxes import overlaps
from ssd_data.core.errors import InputError
from ssd_data.core.structures import Detections, Flags
from ssd_data.engines import Array, Engine, to_detections
from ssd_data.proto import caffe_pb2

SCORE, COORDINATE = 1e-4, 1e-3  # within these a detection of one engine is one of the other
NEAR = 1e-4  # of a threshold: rounding decides what happens there


@dataclass(frozen=True, slots=True)
class Difference:
    """One output of an engine against the first engine's.

    Attributes:
        output: the blob's name.
        engine: the other engine.
        largest: the largest absolute difference; for detections of scores and coordinates.
        relative: the same by the first engine's largest value.
        unmatched: detections that only one side has, and that no threshold explains.
        compared: values, or detections.
    """

    output: str
    engine: str
    largest: float
    relative: float
    unmatched: int
    compared: int

    def within(self, tolerance: float) -> bool:
        """Whether it is small enough: relative, and no detection without a counterpart."""
        return self.relative <= tolerance and not self.unmatched


def compare(engines: Sequence[Engine], batches: Sequence[Array]) -> list[Difference]:
    """Compare each engine with the first, output by output, the worst of all batches.

    Raises:
        InputError: outputs have different shapes.
    """
    answers = [[engine.forward(batch) for batch in batches] for engine in engines]
    first = engines[0]
    rows = []
    for engine, theirs in zip(engines[1:], answers[1:], strict=True):
        for name in first.outputs:
            pairs = [(a[name], b[name]) for a, b in zip(answers[0], theirs, strict=True)]
            counts = [len(batch) for batch in batches]
            if any(n.type == "DetectionOutput" and name in n.tops for n in first.graph.nodes):
                rows.append(_detections(first, name, engine.name, pairs, counts))
            else:
                rows.append(_values(name, engine.name, pairs))
    return rows


def _values(name: str, engine: str, pairs: Sequence[tuple[Array, Array]]) -> Difference:
    largest = scale = 0.0
    for ours, theirs in pairs:
        if ours.shape != theirs.shape:
            raise InputError(f'"{name}" has shape {ours.shape} and, by {engine}, {theirs.shape}')
        largest = max(largest, float(np.abs(ours - theirs).max(initial=0)))
        scale = max(scale, float(np.abs(ours).max(initial=0)))
    count = sum(ours.size for ours, _ in pairs)
    return Difference(name, engine, largest, largest / (scale or 1), 0, count)


def _detections(
    first: Engine,
    name: str,
    engine: str,
    pairs: Sequence[tuple[Array, Array]],
    counts: Sequence[int],
) -> Difference:
    param = next(n.param for n in first.graph.nodes if name in n.tops).detection_output_param
    largest, unmatched, compared = 0.0, 0, 0
    for (ours, theirs), count in zip(pairs, counts, strict=True):
        sides = zip(to_detections(ours, count), to_detections(theirs, count), strict=True)
        for a, b in sides:
            compared += len(a)
            for one, other in ((a, b), (b, a)):
                far, alone = _nearest(one, other)
                largest = max(largest, float(far[~alone].max(initial=0)))
                unmatched += _unexplained(one, other, alone, param)
    return Difference(name, engine, largest, largest, unmatched, compared)


def _nearest(ours: Detections, theirs: Detections) -> tuple[Array, Flags]:
    """For each of ours how far the nearest of theirs is, and whether there is none.

    Coordinates differ in fractions of the picture; of boxes larger than it, of the box.
    """
    if not len(ours) or not len(theirs):
        return np.zeros(len(ours), np.float32), np.ones(len(ours), np.bool_)
    score = np.abs(ours.scores[:, None] - theirs.scores)
    size = np.maximum(np.abs(ours.boxes).max(1), 1)
    place = np.abs(ours.boxes[:, None] - theirs.boxes).max(2) / size[:, None]
    far = np.maximum(score, place)
    alike = (score <= SCORE) & (place <= COORDINATE) & (ours.labels[:, None] == theirs.labels)
    far[~alike] = np.inf
    best = far.min(1)
    alone = ~np.isfinite(best)
    return np.where(alone, 0, best).astype(np.float32), alone


def _unexplained(
    ours: Detections, theirs: Detections, alone: Flags, param: caffe_pb2.DetectionOutputParameter
) -> int:
    """How many of those that are alone did not fall at a threshold."""
    keep, least = param.keep_top_k, param.confidence_threshold
    limit = param.nms_param.nms_threshold
    last = ours.scores.min(initial=0) if 0 <= keep <= len(ours) else -np.inf
    count = 0
    for i in np.flatnonzero(alone):
        score = ours.scores[i]
        if score <= last + NEAR or abs(score - least) <= NEAR:
            continue
        better = (theirs.labels == ours.labels[i]) & (theirs.scores >= score - NEAR)
        shared = overlaps(ours.boxes[i : i + 1], theirs.boxes[better])
        count += not (np.abs(shared - limit) <= NEAR).any()
    return count
