"""Layers that move values and change shapes, and PriorBox, which needs shapes alone."""

from __future__ import annotations

import math

import numpy as np

from ssd_data.nets.geometry import (
    concat_axis,
    crop_parts,
    permute_order,
    reshape_target,
    slice_axis,
    slice_parts,
)
from ssd_data.nets.onnx.emission import EmitStep, Value, check_shape
from ssd_data.nets.onnx.emit import emits
from ssd_data.nets.priors import prior_shapes, prior_values


@emits("Permute")
def permute(step: EmitStep) -> Value:
    """The axes in ``order``; those not named follow in their own order."""
    order = permute_order(step.node, len(step.bottom.shape))
    if step.emission.dynamic and step.bottom.batched and order[0] != 0:
        raise ValueError("it moves the batch's axis, which is to be dynamic")
    shape = [step.bottom.shape[axis] for axis in order]
    batched = step.bottom.batched and order[0] == 0
    return step.add("Transpose", [step.bottom], shape, perm=order, batched=batched)


@emits("Flatten")
def flatten(step: EmitStep) -> Value:
    """The axes from ``axis`` to ``end_axis`` as one."""
    p, shape = step.param.flatten_param, step.bottom.shape
    first, last = step.axis(p.axis), step.axis(p.end_axis)
    if last < first:
        raise step.error(f"has end_axis {p.end_axis} before axis {p.axis}")
    new = (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :])
    keeps = first > 0 or first == last
    return step.emission.reshape(step.bottom, new, keeps)


@emits("Reshape")
def reshape(step: EmitStep) -> Value:
    """From ``axis`` on, ``num_axes`` axes get the sizes of ``shape``: 0 copies, -1 is the rest."""
    shape, dims = step.bottom.shape, list(step.param.reshape_param.shape.dim)
    new = reshape_target(step.node, shape)
    if min(new, default=1) < -1 or new.count(-1) > 1:
        raise step.error(f"has shape {dims}")
    known = math.prod(n for n in new if n != -1)
    if -1 in new:
        new[new.index(-1)] = math.prod(shape) // known if known else 0
    if math.prod(new) != math.prod(shape):
        raise ValueError(f"its values do not fill {'x'.join(map(str, new))}")
    keeps = step.param.reshape_param.axis not in (0, -len(shape) - 1) or dims[:1] == [0]
    return step.emission.reshape(step.bottom, new, keeps)


@emits("Concat")
def concat(step: EmitStep) -> Value:
    """The bottoms one after another along ``axis`` (or the old ``concat_dim``)."""
    bottoms, axis = step.bottoms, concat_axis(step.node, len(step.bottom.shape))
    if len({(*b.shape[:axis], *b.shape[axis + 1 :]) for b in bottoms}) > 1:
        raise ValueError(f"they differ in more than axis {axis}")
    if axis == 0 and step.emission.dynamic:
        raise ValueError("it joins batches, which are to be dynamic")
    shape = list(bottoms[0].shape)
    shape[axis] = sum(b.shape[axis] for b in bottoms)
    return step.add("Concat", bottoms, shape, axis=axis)


@emits("Slice")
def slices(step: EmitStep) -> list[Value]:
    """One bottom cut along an axis: at ``slice_point``, or into equal parts."""
    axis = slice_axis(step.node, len(step.bottom.shape))
    parts = slice_parts(step.node, step.bottom.shape[axis])
    return [_part(step, step.bottom, axis, start, end) for start, end in parts]


@emits("Crop")
def crop(step: EmitStep) -> Value:
    """From ``axis`` on, each axis starts at its ``offset`` and is as long as the second's."""
    x, like = step.bottoms
    for axis, start, end in crop_parts(step.node, x.shape, like.shape):
        x = _part(step, x, axis, start, end)
    return x


def _part(step: EmitStep, x: Value, axis: int, start: int, end: int) -> Value:
    if axis == 0 and step.emission.dynamic:
        raise ValueError("it cuts the batch, which is to be dynamic")
    shape = list(x.shape)
    shape[axis] = end - start
    limits = [step.constant(np.array([n], np.int64), "cut") for n in (start, end, axis)]
    return step.add("Slice", [x, *limits], shape, batched=x.batched)


@emits("PriorBox")
def priorbox(step: EmitStep) -> Value:
    """(1, 2, 4 · boxes), computed once: the boxes, and below them their variances."""
    if not 1 <= len(step.bottoms) <= 2:
        raise step.error(f"has {len(step.bottoms)} bottoms; PriorBox takes 1 to 2")
    p = step.param.prior_box_param
    shapes = prior_shapes(p, step.node.where)
    map_size, picture = step.picture_map()[2:], step.bottoms[-1].shape[2:]
    if len(picture) != 2:
        raise ValueError("the second is no picture")
    check_shape((2, *map_size, 4, len(shapes.sizes)))
    both = prior_values(p, map_size, (picture[0], picture[1]), step.node.where)[None]
    return Value("", both.shape, False, both)
