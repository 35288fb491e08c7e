"""Layers of one type, against their definitions written out in NumPy in double precision.

Gradients are the twins' finite differences.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import torch

from ssd_data.engines.torch.layer import as_tuple
from ssd_data.engines.torch.net import Net
from ssd_data.nets.graph import parse_graph

Arrays = Sequence[np.ndarray]
Twin = Callable[[Arrays, Arrays], list[np.ndarray]]
# type, parameters, shapes of the bottoms, number of tops, twin
Case: TypeAlias = tuple[str, str, list[tuple[int, ...]], int, Twin]
TOLERANCE = 1e-5  # of an array's largest value
GRADIENT = 1e-4  # the same; what single precision makes of sums of a few hundred products
STEP = 1e-5


def make(
    kind: str,
    param: str,
    shapes: Arrays | list[tuple[int, ...]],
    tops: int = 1,
    phase: str = "TEST",
) -> Net:
    text = "force_backward: true\n"
    for i, shape in enumerate(shapes):
        dims = " ".join(f"dim: {n}" for n in shape)
        text += f'layer {{ name: "in{i}" type: "Input" top: "x{i}" '
        text += f"input_param {{ shape {{ {dims} }} }} }}\n"
    names = [f'bottom: "x{i}"' for i in range(len(shapes))] + [f'top: "y{i}"' for i in range(tops)]
    text += f'layer {{ name: "it" type: "{kind}" {" ".join(names)} {param} }}'
    return Net(parse_graph(text, phase))


def along(values: np.ndarray, x: np.ndarray, axis: int) -> np.ndarray:
    return values.reshape(values.shape + (1,) * (x.ndim - axis - values.ndim))


def single(function: Callable[[np.ndarray], np.ndarray]) -> Twin:
    return lambda bottoms, params: [function(bottoms[0])]


def inputs(shapes: list[tuple[int, ...]]) -> list[np.ndarray]:
    """Values far from one another and from 0 and 6, where definitions have kinks."""
    random = np.random.default_rng(4)
    arrays = []
    for shape in shapes:
        steps = random.permutation(math.prod(shape)) + 0.5
        arrays.append((steps * 9 / math.prod(shape) - 2).reshape(shape).astype(np.float32))
    return arrays


def assert_close(ours: np.ndarray, theirs: np.ndarray, tolerance: float, what: str) -> None:
    assert ours.shape == theirs.shape, what
    worst = np.abs(ours - theirs).max(initial=0) / (np.abs(theirs).max(initial=0) or 1)
    assert worst <= tolerance, f"{what}: {worst:.2e} relative"


def check_case(case: Case) -> None:
    """Forward, and the gradients of bottoms and parameters, against the twin."""
    kind, param, shapes, tops, twin = case
    torch.manual_seed(1)
    net = make(kind, param, shapes, tops)
    arrays = inputs(shapes)
    found = net.forward(**{f"x{i}": a for i, a in enumerate(arrays)})
    blobs = net.params.get("it", [])
    if kind == "Scale":  # a scale of 1 would hide what it multiplies
        for blob in blobs:
            blob.data[...] = np.random.default_rng(2).normal(size=blob.shape)
        found = net.forward()
    params = [blob.data.astype(float) for blob in blobs]
    bottoms = [a.astype(float) for a in arrays]
    expected = twin(bottoms, params)
    for i, theirs in enumerate(expected):
        assert_close(found[f"y{i}"], theirs, TOLERANCE, f"y{i}")
    random = np.random.default_rng(3)
    ends = [random.normal(size=y.shape).astype(np.float32) for y in expected]
    given = net.backward(**{f"y{i}": e for i, e in enumerate(ends)})
    size_only = 1 if kind == "Crop" else len(bottoms)
    for i, bottom in enumerate(bottoms[:size_only]):
        if i in net.steps[-1].no_gradient:
            continue
        slope = differences(twin, bottoms, params, bottom, ends)
        assert_close(given[f"x{i}"], slope, GRADIENT, f"x{i}")
    if kind != "BatchNorm":  # its parameters are statistics
        for i, values in enumerate(params):
            slope = differences(twin, bottoms, params, values, ends)
            assert_close(blobs[i].diff, slope, GRADIENT, f"parameter {i}")


def differences(
    twin: Twin, bottoms: Arrays, params: Arrays, of: np.ndarray, ends: Arrays
) -> np.ndarray:
    """By each value of ``of`` (one of the arrays), by central differences."""

    def total() -> float:
        return sum(float((y * e).sum()) for y, e in zip(twin(bottoms, params), ends, strict=True))

    result = np.empty(of.shape)
    for index in np.ndindex(of.shape):
        kept = of[index]
        of[index] = kept + STEP
        above = total()
        of[index] = kept - STEP
        result[index] = (above - total()) / (2 * STEP)
        of[index] = kept
    return result


def assert_outlines(net: Net) -> None:
    for layer in net.steps:
        if layer.node.type != "Input" and not layer.is_loss:
            bottoms = [torch.empty(net.blobs[b].shape, device="meta") for b in layer.node.bottoms]
            said = layer.infer(*bottoms)
            layer.weights = [w.to("meta") for w in layer.weights]
            computed = as_tuple(layer.forward(*bottoms))
            assert [s.shape for s in said] == [c.shape for c in computed], layer.node.type
