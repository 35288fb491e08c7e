"""How far the layers of a net are off in whole numbers, layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from ssd_data.engines import Array

NAMED = 5  # layers that a note names
Blobs: TypeAlias = Callable[[Array], Mapping[str, Array]]


def layer_errors(before: Blobs, after: Blobs, batches: Iterable[Array]) -> dict[str, float]:
    """What each layer's values are off by, as a part of what they are: both as root mean squares,
    over all pictures. In the net's order.

    Args:
        before: a picture to the layers' values by name, in single precision; after: in whole
            numbers. What only one of them gives is left out.

    >>> picture = np.ones((1, 3, 2, 2), np.float32)
    >>> layer_errors(lambda x: {"conv1": 4 * x}, lambda x: {"conv1": 4.5 * x}, [picture])
    {'conv1': 0.125}
    """
    wrong: dict[str, float] = {}
    whole: dict[str, float] = {}
    for batch in batches:
        ours, theirs = before(batch), after(batch)
        for name, values in ours.items():
            if name in theirs and theirs[name].size == values.size:
                other = theirs[name].reshape(values.shape).astype(np.float64)
                off = float(np.square(values - other).sum())
                wrong[name] = wrong.get(name, 0) + off
                whole[name] = whole.get(name, 0) + float(np.square(values, dtype=np.float64).sum())
    return {name: float(np.sqrt(off / (whole[name] or 1))) for name, off in wrong.items()}


def furthest_off(errors: Mapping[str, float]) -> list[str]:
    """A note that names the layers that suffer most; none where nothing is known."""
    worst = sorted(errors.items(), key=lambda item: -item[1])[:NAMED]
    told = ", ".join(f"{name} {error:.1%}" for name, error in worst)
    return [f"furthest off by that: {told}"] if worst else []


def layer_of(name: str) -> str:
    """A layer's name, of a node's that was emitted for it."""
    return name.rpartition("/")[0] or name


def weighted(model: Any) -> list[str]:
    """The names of an ONNX model's nodes that have weights: what is computed in whole numbers."""
    kinds = ("Conv", "ConvTranspose", "MatMul")
    return [str(node.name) for node in model.graph.node if node.op_type in kinds]


def errors_by_node(
    within: Callable[[Any, Sequence[str]], Blobs],
    single: Any,
    shipped: Any,
    model: Any,
    batches: Iterable[Array],
) -> dict[str, float]:
    """How far each layer is off, of two nets whose nodes are called as an ONNX model's.

    Args:
        within: a net and names to the values of its nodes.
    """
    names = weighted(model)
    found = layer_errors(within(single, names), within(shipped, names), batches)
    return {layer_of(name): error for name, error in found.items()}
