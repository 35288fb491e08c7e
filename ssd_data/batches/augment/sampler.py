"""Batch samplers: regions at random that fit the boxes well enough, of which one is cropped.

Each sampler tries up to ``max_trials`` regions and keeps the first ``max_sample`` that satisfy its
constraint; of all that were kept one is taken. In a constraint only the first kind counts that it
names: Jaccard overlap, else sample coverage, else object coverage. The original looks at all three,
but a box that satisfies the first is noted as found before the second is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ssd_data.batches.augment.rows import Region
from ssd_data.core.errors import InputError
from ssd_data.core.overlaps import coverages, overlaps
from ssd_data.core.structures import Boxes, Flags
from ssd_data.proto import caffe_pb2

Regions: TypeAlias = npt.NDArray[np.float32]
MOST_TRIALS = 100_000
BOXES = 4096  # compared at a time, so that memory stays bounded
KINDS = ("jaccard_overlap", "sample_coverage", "object_coverage")
_MEASURES: tuple[Callable[[Regions, Boxes], Boxes], ...] = (
    overlaps,
    coverages,
    lambda tried, boxes: coverages(boxes, tried).T,
)
_ONE = np.float32(1)


def check(sampler: caffe_pb2.BatchSampler, where: str) -> None:
    """Refuse what the original aborts at.

    Raises:
        InputError: a scale outside of 0 … 1, an aspect ratio that is none, an inverted range, or so
            many trials that they never end.
    """
    for name, most in (("scale", 1.0), ("aspect_ratio", float(np.finfo(np.float32).max))):
        low, high = (getattr(sampler.sampler, f"{end}_{name}") for end in ("min", "max"))
        if not 0 < low <= high <= most:
            raise InputError(
                f"a batch_sampler has min_{name} {low:g} and max_{name} {high:g}",
                where=where,
                hint=f"They must be above 0, at most {most:g}, and rise",
            )
    if sampler.max_trials > MOST_TRIALS:
        raise InputError(
            f"a batch_sampler has max_trials {sampler.max_trials}",
            where=where,
            hint=f"At most {MOST_TRIALS} will do",
        )


class Samplers:
    """A layer's batch samplers, made ready: what they try is tried at once.

    Args:
        params: those with ``use_original_image: false`` do nothing, as in the original.
    """

    def __init__(self, params: Iterable[caffe_pb2.BatchSampler]) -> None:
        self._all = [s for s in map(_Sampler.of, params) if s.most]
        counts = [s.trials for s in self._all]
        self._ends = np.cumsum(counts)
        self._sampling = _repeat([s.sampling for s in self._all], counts)
        self._bounds = _repeat([s.bounds for s in self._all], counts)
        self._kinds = np.repeat([s.kind for s in self._all], counts)

    def draw(self, boxes: Boxes, generator: np.random.Generator) -> Region | None:
        """The region to crop, float32 (4,); None where none fits (``GenerateBatchSamples``).

        Args:
            boxes: float32 (N, 4), fractions.
        """
        if not self._all:
            return None
        tried = regions(self._sampling, generator)
        fitting = self.fitting(tried, boxes)
        found = [
            start + np.flatnonzero(fitting[start:end])[: one.most]
            for one, start, end in zip(self._all, (0, *self._ends), self._ends, strict=False)
        ]
        kept = np.concatenate(found)
        return tried[kept[generator.integers(len(kept))]] if len(kept) else None

    def fitting(self, tried: Regions, boxes: Boxes) -> Flags:
        """Which regions satisfy their sampler, bool (T,) (``SatisfySampleConstraint``)."""
        fits = self._kinds < 0
        for number, measure in enumerate(_MEASURES):
            mine = self._kinds == number
            if not mine.any():
                continue
            low, high = self._bounds[mine, :1], self._bounds[mine, 1:]
            for at in range(0, len(boxes), BOXES):
                values = measure(tried[mine], boxes[at : at + BOXES])
                fits[mine] |= ((values >= low) & (values <= high)).any(1)
        return fits


def _repeat(rows: list[tuple[float, ...]], counts: list[int]) -> npt.NDArray[np.float32]:
    return np.repeat(np.array(rows, np.float32), counts, 0)


@dataclass(frozen=True, slots=True)
class _Sampler:
    """One sampler as numbers: how often it tries, how many it keeps, and what it wants."""

    trials: int
    most: int
    sampling: tuple[float, float, float, float]
    kind: int
    bounds: tuple[float, float]

    @staticmethod
    def of(param: caffe_pb2.BatchSampler) -> _Sampler:
        """The numbers of a message."""
        trials = param.max_trials if param.use_original_image else 0
        most = min(trials, param.max_sample) if param.HasField("max_sample") else trials
        kind, bounds = _constraint(param.sample_constraint)
        how = param.sampler
        sampling = (
            how.min_scale,
            how.max_scale - how.min_scale,
            how.min_aspect_ratio,
            how.max_aspect_ratio - how.min_aspect_ratio,
        )
        return _Sampler(most if kind < 0 else trials, most, sampling, kind, bounds)


def _constraint(param: caffe_pb2.SampleConstraint) -> tuple[int, tuple[float, float]]:
    """The number of its first kind, -1 without any, and the least and the most that it allows."""
    for number, kind in enumerate(KINDS):
        low, high = f"min_{kind}", f"max_{kind}"
        if param.HasField(low) or param.HasField(high):
            least = getattr(param, low) if param.HasField(low) else -np.inf
            return number, (least, getattr(param, high) if param.HasField(high) else np.inf)
    return -1, (-np.inf, np.inf)


def regions(sampling: npt.NDArray[np.float32], generator: np.random.Generator) -> Regions:
    """Regions of random scale, aspect ratio and place, float32 (T, 4) (``SampleBBox``).

    No side exceeds 1. In the original it can by a rounding, 1.0000001, at which it aborts.

    Args:
        sampling: float32 (T, 4): the least scale, how far it goes up from there, and the same of
            the aspect ratio.
    """
    scale, aspect, right, down = generator.random((4, len(sampling)), np.float32)
    scale = sampling[:, 0] + scale * sampling[:, 1]
    square = scale * scale
    aspect = sampling[:, 2] + aspect * sampling[:, 3]
    root = np.sqrt(np.minimum(np.maximum(aspect, square), _ONE / square))
    found = np.empty((len(sampling), 4), np.float32)
    for length, place, column in ((scale * root, right, 0), (scale / root, down, 1)):
        side = np.minimum(length, _ONE)
        found[:, column] = place * (_ONE - side)
        found[:, column + 2] = np.minimum(found[:, column] + side, _ONE)
    return found
