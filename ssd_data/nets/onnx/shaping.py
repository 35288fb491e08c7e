"""Layers that move values and change shapes, and PriorBox, which needs shapes alone."""

from __future__ import annotations

import numpy as np

from ssd_data.nets.geometry import crop_parts, permute_order, slice_axis, slice_parts
from ssd_data.nets.layer_step import flattened, joined, prior_constant, reshaped
from ssd_data.nets.onnx.emission import EmitStep, Value
from ssd_data.nets.onnx.emit import emits


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
    return step.emission.reshape(step.bottom, *flattened(step))


@emits("Reshape")
def reshape(step: EmitStep) -> Value:
    """From ``axis`` on, ``num_axes`` axes get the sizes of ``shape``: 0 copies, -1 is the rest."""
    return step.emission.reshape(step.bottom, *reshaped(step))


@emits("Concat")
def concat(step: EmitStep) -> Value:
    """The bottoms one after another along ``axis`` (or the old ``concat_dim``)."""
    bottoms, (axis, shape) = step.bottoms, joined(step)
    if axis == 0 and step.emission.dynamic:
        raise ValueError("it joins batches, which are to be dynamic")
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
    both = prior_constant(step)
    return Value("", both.shape, False, both)
