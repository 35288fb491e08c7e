"""Layers that move values and change shapes, and PriorBox, which needs shapes alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from ssd_data.nets.geometry import crop_parts, permute_order, slice_axis, slice_parts
from ssd_data.nets.layer_step import flattened, joined, prior_constant, reshaped
from ssd_data.nets.ncnn.emission import NcnnBlob, NcnnStep
from ssd_data.nets.ncnn.emit import writes
from ssd_data.nets.ncnn.model import Param

# ncnn's numbers for the orders of a blob's axes, outermost first.
_ORDERS = {
    (0, 1): 0, (1, 0): 1,
    (0, 1, 2): 0, (0, 2, 1): 1, (1, 0, 2): 2, (1, 2, 0): 3, (2, 0, 1): 4, (2, 1, 0): 5,
}  # fmt: skip


@writes("Permute")
def permute(step: NcnnStep) -> NcnnBlob:
    """The axes in ``order``; those not named follow in their own. Axes that stay together go as
    one."""
    shape = step.bottom.shape
    order = permute_order(step.node, len(shape))
    return reordered(step, shape, order, [shape[axis] for axis in order])


def reordered(
    step: NcnnStep, shape: Sequence[int], order: Sequence[int], result: Sequence[int]
) -> NcnnBlob:
    """The bottom, as ``shape``, with its axes in another order, as ``result``.

    Raises:
        ValueError: the batch's axis is not the first, or too many axes part.
    """
    e = step.emission
    if order[0] != 0:
        raise ValueError("it moves the batch's axis, which ncnn does not have")
    runs = _runs(order[1:])
    if len(runs) == 1:
        return e.reshape(step.bottom, result)
    by_place = sorted(runs)
    kind = _ORDERS.get(tuple(by_place.index(run) for run in runs))
    if kind is None:
        raise ValueError(f"ncnn has no order of {len(runs)} axes")
    sizes = [math.prod(shape[axis] for axis in run) for run in by_place]
    moved = [math.prod(shape[axis] for axis in run) for run in runs]
    x = e.reshape(step.bottom, (1, *sizes))
    return e.reshape(e.add("Permute", [x], (1, *moved), {0: kind}), result)


def _runs(order: Sequence[int]) -> list[list[int]]:
    """Axes that follow one another, before and after, together."""
    runs = [[order[0]]]
    for before, axis in pairwise(order):
        if axis == before + 1:
            runs[-1].append(axis)
        else:
            runs.append([axis])
    return runs


@writes("Flatten")
def flatten(step: NcnnStep) -> NcnnBlob:
    """The axes from ``axis`` to ``end_axis`` as one."""
    return step.emission.reshape(step.bottom, flattened(step)[0])


@writes("Reshape")
def reshape(step: NcnnStep) -> NcnnBlob:
    """From ``axis`` on, ``num_axes`` axes get the sizes of ``shape``: 0 copies, -1 is the rest."""
    return step.emission.reshape(step.bottom, reshaped(step)[0])


@writes("Concat")
def concat(step: NcnnStep) -> NcnnBlob:
    """The bottoms one after another along ``axis`` (or the old ``concat_dim``)."""
    bottoms, (axis, shape) = step.bottoms, joined(step)
    return step.emission.add("Concat", bottoms, shape, {0: step.axis_within(axis)})


@writes("Slice")
def slices(step: NcnnStep) -> list[NcnnBlob]:
    """One bottom cut along an axis: at ``slice_point``, or into equal parts."""
    axis, shape = slice_axis(step.node, len(step.bottom.shape)), step.bottom.shape
    parts = [end - start for start, end in slice_parts(step.node, shape[axis])]
    shapes = [(*shape[:axis], part, *shape[axis + 1 :]) for part in parts]
    params: dict[int, Param] = {0: parts, 1: step.axis_within(axis)}
    return step.emission.add_all("Slice", [step.bottom], shapes, params)


@writes("Crop")
def crop(step: NcnnStep) -> NcnnBlob:
    """From ``axis`` on, each axis starts at its ``offset`` and is as long as the second's."""
    x, like = step.bottoms
    shape = list(x.shape)
    cuts: dict[int, list[int]] = {9: [], 10: [], 11: []}
    for axis, start, end in crop_parts(step.node, x.shape, like.shape):
        if (start, end) == (0, x.shape[axis]):
            continue
        shape[axis] = end - start
        for key, value in zip(cuts, (start, end, step.axis_within(axis)), strict=True):
            cuts[key].append(value)
    return step.emission.add("Crop", [x], shape, dict(cuts)) if cuts[9] else x


@writes("PriorBox")
def priorbox(step: NcnnStep) -> NcnnBlob:
    """(1, 2, 4 · boxes), computed once: the boxes, and below them their variances."""
    both = prior_constant(step)
    return NcnnBlob("", both.shape, both)
