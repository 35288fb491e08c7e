"""What a net computes of constants alone, as its priors are: values that no picture changes.

A PriorBox reads nothing but sizes; what moves its boxes about (Concat, Flatten, Reshape, Slice,
Permute, …) can be done once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ssd_data.nets.geometry import (
    Size,
    axis_of,
    concat_axis,
    permute_order,
    reshape_target,
    slice_axis,
    slice_parts,
)
from ssd_data.nets.graph import Graph, Node
from ssd_data.nets.priors import map_priors

Array: TypeAlias = npt.NDArray[Any]
MOST_PRIORS = 1 << 24
MOST_VALUES = 8 * MOST_PRIORS


def fold(node: Node, values: Sequence[Array | None]) -> list[Array] | None:
    """The tops of a layer that moves values; None of another, or of bottoms that are not known.

    Raises:
        LayerError: its parameters do not fit.
    """
    bottoms = [value for value in values if value is not None]
    if not bottoms or len(bottoms) < len(values) or node.type not in _FOLDS:
        return None
    if sum(array.size for array in bottoms) > MOST_VALUES:
        raise node.error("has more priors than this package takes")
    try:
        made = _FOLDS[node.type](node, bottoms)
    except ValueError as error:
        raise node.error(f"cannot be computed: {error}") from None
    return made if len(made) == len(node.tops) else made[:1] * len(node.tops)


def _concat(node: Node, bottoms: Sequence[Array]) -> list[Array]:
    return [np.concatenate(bottoms, concat_axis(node, bottoms[0].ndim))]


def _flatten(node: Node, bottoms: Sequence[Array]) -> list[Array]:
    p, shape = node.param.flatten_param, bottoms[0].shape
    first, last = (axis_of(node, axis, len(shape)) for axis in (p.axis, p.end_axis))
    middle = math.prod(shape[first : last + 1])
    return [bottoms[0].reshape((*shape[:first], middle, *shape[last + 1 :]))]


def _reshape(node: Node, bottoms: Sequence[Array]) -> list[Array]:
    return [bottoms[0].reshape(reshape_target(node, bottoms[0].shape))]


def _slice(node: Node, bottoms: Sequence[Array]) -> list[Array]:
    axis = slice_axis(node, bottoms[0].ndim)
    parts = slice_parts(node, bottoms[0].shape[axis])
    return [bottoms[0].take(range(start, end), axis) for start, end in parts]


def _permute(node: Node, bottoms: Sequence[Array]) -> list[Array]:
    return [bottoms[0].transpose(permute_order(node, bottoms[0].ndim))]


def _same(node: Node, bottoms: Sequence[Array]) -> list[Array]:
    return [bottoms[0]] * len(node.tops)


_FOLDS: Mapping[str, Callable[[Node, Sequence[Array]], list[Array]]] = {
    "Concat": _concat,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Slice": _slice,
    "Permute": _permute,
    "Split": _same,
}


def constant_blobs(graph: Graph) -> set[str]:
    """Names of the blobs that no picture changes: priors, and what is moved about of them."""
    found: set[str] = set()
    for node in graph.nodes:
        moved = node.type in _FOLDS and bool(node.bottoms) and found.issuperset(node.bottoms)
        if node.type == "PriorBox" or moved:
            found.update(node.tops)
        else:
            found.difference_update(node.tops)
    return found


def fold_priors(graph: Graph, blob: str, sizes: Mapping[str, Size]) -> Array:
    """The priors that a DetectionOutput reads, float32 (2, N, 4): boxes, and their variances.

    Args:
        blob: what it reads. sizes: (height, width) of the net's maps.

    Raises:
        InputError: another layer than PriorBox and those that move values makes them, they are too
            many, or they have another shape than PriorBox gives.
    """
    values: dict[str, Array] = {}
    count = 0
    for index in graph.needed([blob]):
        node = graph.nodes[index]
        if node.type == "PriorBox":
            one = map_priors(node, sizes)
            count += one.count
            if count > MOST_PRIORS:
                raise node.error("has more priors than this package takes")
            made: list[Array] | None = [one.values()[None]]
        else:
            made = fold(node, [values.get(name) for name in node.bottoms])
        if made is None:
            for top in node.tops:
                values.pop(top, None)
        else:
            values.update(zip(node.tops, made, strict=False))
    if blob not in values:
        node = graph.producers()[blob][-1]
        raise node.error(f"the priors come from a {node.type}, not from PriorBox layers")
    return two_rows(values[blob], graph.producers()[blob][-1])


def two_rows(values: Array, node: Node) -> Array:
    """Priors as they are read, float32 (2, N, 4).

    Raises:
        LayerError: they have another shape than PriorBox gives.
    """
    if values.shape[:2] != (1, 2) or values.size % 8:
        raise node.error(f"the priors have shape {values.shape}")
    return np.asarray(values, np.float32).reshape(2, -1, 4)
