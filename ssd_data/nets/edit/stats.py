"""What a caffemodel's arrays hold: shapes, ranges, dead channels, NaN.

A channel is dead where it cannot say anything: a layer's output whose weights are all (next to)
nothing, a BatchNorm's channel that (next to) never varied, a Scale's factor of (next to) nothing;
next to nothing is less than ``DEAD`` of the layer's largest.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ssd_data.core.errors import InputError
from ssd_data.nets.caffemodel import Array, Caffemodel, LayerWeights
from ssd_data.nets.edit.channels import LINEAR, by_output, linear_param
from ssd_data.nets.geometry import shape_text
from ssd_data.proto import caffe_pb2

DEAD = 1e-6


@dataclass(frozen=True, slots=True)
class ArrayStats:
    """One array.

    Attributes:
        layer, type: of the layer that has it. index: its place there.
        shape: outermost axis first.
        least, most, mean, std: over the values that are numbers; NaN where there is none.
        nan, infinite, zeros: how many values are so.
        dead: how many channels are dead, None where the array has no channels to judge.
        channels: how many there are to judge.
    """

    layer: str
    type: str
    index: int
    shape: tuple[int, ...]
    least: float
    most: float
    mean: float
    std: float
    nan: int
    infinite: int
    zeros: int
    dead: int | None = None
    channels: int = 0

    @property
    def count(self) -> int:
        """How many values it has."""
        return int(np.prod(self.shape))


@dataclass(frozen=True, slots=True)
class ArrayDifference:
    """One array of two caffemodels.

    Attributes:
        layer: the layer's name. index: the array's place there.
        state: "same", "differs", "other shape", "only in the first", "only in the second".
        detail: the shapes, where they differ.
        largest: the largest absolute difference (NaN against a number counts as infinite).
        scale: the largest absolute value of the first.
    """

    layer: str
    index: int
    state: str
    detail: str = ""
    largest: float = 0.0
    scale: float = 0.0


def stats(model: Caffemodel) -> list[ArrayStats]:
    """Every array of a caffemodel, in file order."""
    params: dict[str, list[caffe_pb2.LayerParameter]] = {}
    for param in model.net.layer:
        params.setdefault(param.name, []).append(param)
    result = []
    for layer in model.layers:
        same = [p for p in params.get(layer.name, []) if p.type == layer.type]
        for index, array in enumerate(layer.arrays):
            result.append(_stats(layer, index, array, same[0] if same else None))
    return result


def _stats(
    layer: LayerWeights, index: int, array: Array, param: caffe_pb2.LayerParameter | None
) -> ArrayStats:
    values = array.reshape(-1).astype(np.float64)
    numbers = values[np.isfinite(values)]
    least, most, mean, std = (
        float(of(numbers)) if numbers.size else math.nan for of in (np.min, np.max, np.mean, np.std)
    )
    counts = (int(np.isnan(values).sum()), int(np.isinf(values).sum()), int((values == 0).sum()))
    place = (layer.name, layer.type, index, array.shape)
    found = ArrayStats(*place, least, most, mean, std, *counts)
    strengths = _strengths(layer, index, param)
    if strengths is None:
        return found
    dead = int((strengths <= DEAD * strengths.max(initial=0)).sum())
    return replace(found, dead=dead, channels=len(strengths))


def _strengths(
    layer: LayerWeights, index: int, param: caffe_pb2.LayerParameter | None
) -> npt.NDArray[np.float64] | None:
    """How much each channel can say, by the array that decides it."""
    array = np.abs(np.nan_to_num(layer.arrays[index].astype(np.float64), posinf=0, neginf=0))
    if index == 0 and layer.type in LINEAR and param is not None and linear_param(param).num_output:
        try:
            view, channels = by_output(param, array.shape, layer.name)
        except InputError:
            return None
        axes = tuple(i for i, size in enumerate(channels) if size == 1)
        strongest: npt.NDArray[np.float64] = array.reshape(view).max(axis=axes)
        return strongest.reshape(-1)
    if (layer.type, index) in (("BatchNorm", 1), ("Scale", 0)) and array.size > 1:
        return array.reshape(-1)
    return None


def difference(
    first: Sequence[LayerWeights], second: Iterable[LayerWeights]
) -> list[ArrayDifference]:
    """Two caffemodels' arrays compared, by layer name (in order, where it occurs twice)."""
    waiting: dict[str, list[LayerWeights]] = {}
    for layer in second:
        waiting.setdefault(layer.name, []).append(layer)
    rows = []
    for layer in first:
        others = waiting.get(layer.name)
        arrays = others.pop(0).arrays if others else []
        for index in range(max(len(layer.arrays), len(arrays))):
            pair = [a[index] if index < len(a) else None for a in (layer.arrays, arrays)]
            rows.append(_compare(layer.name, index, *pair))
    for name, others in waiting.items():
        for layer in others:
            rows += [_compare(name, i, None, array) for i, array in enumerate(layer.arrays)]
    return rows


def _compare(name: str, index: int, a: Array | None, b: Array | None) -> ArrayDifference:
    if a is None or b is None:
        where = "only in the second" if a is None else "only in the first"
        return ArrayDifference(name, index, where)
    if a.shape != b.shape:
        detail = f"{shape_text(a.shape)}, {shape_text(b.shape)}"
        return ArrayDifference(name, index, "other shape", detail)
    apart = largest_difference(a, b)
    return ArrayDifference(name, index, "differs" if apart else "same", "", apart, largest_value(a))


def largest_difference(a: Array, b: Array) -> float:
    """Of two arrays of one shape; NaN or infinity against anything else is infinitely far.

    >>> largest_difference(np.float32([1, np.nan]), np.float32([3, np.nan]))
    2.0
    """
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        apart = np.where(same, 0, np.abs(a.astype(np.float64) - b))
    return float(np.where(np.isnan(apart), np.inf, apart).max(initial=0))


def largest_value(array: Array) -> float:
    """The largest absolute value of an array, of those that are numbers."""
    numbers = np.abs(array[np.isfinite(array)])
    return float(numbers.max(initial=0))
