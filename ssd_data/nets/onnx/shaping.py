"""Layers that move values and change shapes."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from ssd_data.nets.onnx.emission import Step, Value
from ssd_data.nets.onnx.emitters import emits


@emits("Permute")
def permute(step: Step) -> Value:
    """The axes in ``order``; those not named follow in their own order."""
    given, axes = list(step.param.permute_param.order), range(len(step.bottom.shape))
    order = given + [axis for axis in axes if axis not in given]
    if sorted(order) != list(axes):
        raise step.error(f"has order {given} for a bottom of {len(axes)} axes")
    if step.emission.dynamic and step.bottom.batched and order[0] != 0:
        raise ValueError("it moves the batch's axis, which is to be dynamic")
    shape = [step.bottom.shape[axis] for axis in order]
    batched = step.bottom.batched and order[0] == 0
    return step.add("Transpose", [step.bottom], shape, perm=order, batched=batched)


@emits("Flatten")
def flatten(step: Step) -> Value:
    """The axes from ``axis`` to ``end_axis`` as one."""
    p, shape = step.param.flatten_param, step.bottom.shape
    first, last = step.axis(p.axis), step.axis(p.end_axis)
    if last < first:
        raise step.error(f"has end_axis {p.end_axis} before axis {p.axis}")
    new = (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :])
    keeps = first > 0 or first == last
    return step.emission.reshape(step.bottom, new, keeps, "")


@emits("Reshape")
def reshape(step: Step) -> Value:
    """From ``axis`` on, ``num_axes`` axes get the sizes of ``shape``: 0 copies, -1 is the rest."""
    p, shape = step.param.reshape_param, step.bottom.shape
    start = p.axis if p.axis >= 0 else len(shape) + p.axis + 1
    end = len(shape) if p.num_axes == -1 else start + p.num_axes
    if not 0 <= start <= end <= len(shape):
        raise step.error(f"has axis {p.axis} and {p.num_axes} axes for a bottom of {len(shape)}")
    dims = list(p.shape.dim)
    middle = [shape[start + i] if size == 0 else size for i, size in enumerate(dims)]
    new = [*shape[:start], *middle, *shape[end:]]
    if min(new, default=1) < -1 or new.count(-1) > 1:
        raise step.error(f"has shape {dims}")
    known = math.prod(n for n in new if n != -1)
    if -1 in new:
        new[new.index(-1)] = math.prod(shape) // known if known else 0
    if math.prod(new) != math.prod(shape):
        raise ValueError(f"its values do not fill {'x'.join(map(str, new))}")
    keeps = start > 0 or bool(dims and dims[0] == 0)
    return step.emission.reshape(step.bottom, new, keeps, "")


@emits("Concat")
def concat(step: Step) -> Value:
    """The bottoms one after another along ``axis`` (or the old ``concat_dim``)."""
    p, bottoms = step.param.concat_param, step.bottoms
    axis = step.axis(p.concat_dim if p.HasField("concat_dim") else p.axis)
    if len({(*b.shape[:axis], *b.shape[axis + 1 :]) for b in bottoms}) > 1:
        raise ValueError(f"they differ in more than axis {axis}")
    constants = [b.constant for b in bottoms]
    known = [c for c in constants if c is not None]
    if len(known) == len(bottoms):
        values = np.concatenate(known, axis)
        return Value("", values.shape, False, values)
    if axis == 0 and step.emission.dynamic:
        raise ValueError("it joins batches, which are to be dynamic")
    shape = list(bottoms[0].shape)
    shape[axis] = sum(b.shape[axis] for b in bottoms)
    return step.add("Concat", bottoms, shape, axis=axis)


@emits("Slice")
def slices(step: Step) -> list[Value]:
    """One bottom cut along an axis: at ``slice_point``, or into equal parts."""
    p, count = step.param.slice_param, len(step.node.tops)
    axis = step.axis(p.slice_dim if p.HasField("slice_dim") else p.axis)
    size, points = step.bottom.shape[axis], list(p.slice_point)
    if not points:
        if not count or size % count:
            raise step.error(f"cannot cut {size} into {count} equal parts")
        points = [size // count * i for i in range(1, count)]
    ends = [0, *points, size]
    if len(points) != count - 1 or any(b <= a for a, b in pairwise(ends)):
        raise step.error(f"has slice points {points} for {count} tops and a size of {size}")
    return [_part(step, step.bottom, axis, a, b) for a, b in pairwise(ends)]


@emits("Crop")
def crop(step: Step) -> Value:
    """From ``axis`` on, each axis starts at its ``offset`` and is as long as the second's."""
    p, (x, like) = step.param.crop_param, step.bottoms
    start, offsets = step.axis(p.axis), list(p.offset) or [0]
    if len(offsets) not in (1, len(x.shape) - start):
        raise step.error(f"has {len(offsets)} offsets for {len(x.shape) - start} axes")
    for axis in range(start, len(x.shape)):
        offset = offsets[axis - start] if len(offsets) > 1 else offsets[0]
        if offset + like.shape[axis] > x.shape[axis]:
            raise step.error(f"reaches beyond the end of axis {axis}")
        x = _part(step, x, axis, offset, offset + like.shape[axis])
    return x


def _part(step: Step, x: Value, axis: int, start: int, end: int) -> Value:
    if axis == 0 and step.emission.dynamic:
        raise ValueError("it cuts the batch, which is to be dynamic")
    shape = list(x.shape)
    shape[axis] = end - start
    limits = [step.constant(np.array([n], np.int64), "cut") for n in (start, end, axis)]
    return step.add("Slice", [x, *limits], shape, batched=x.batched)
