"""Layers of BVLC's proto and of forks that sum up, repeat, look up, or pool over parts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ssd_data.nets.activations import tiled_axis
from ssd_data.nets.onnx.emission import EmitStep, Value
from ssd_data.nets.onnx.emit import emits
from ssd_data.nets.onnx.pooling import pooled
from ssd_data.nets.resizing import pyramid
from ssd_data.proto import caffe_pb2

_R = caffe_pb2.ReductionParameter


@emits("Reduction")
def reduction(step: EmitStep) -> Value:
    """Sum, sum of absolute values or of squares, or mean over all axes from ``axis`` on, in single
    precision."""
    p, e, shape = step.param.reduction_param, step.emission, step.bottom.shape
    start = step.axis(p.axis)
    if not start and e.dynamic and step.bottom.batched:
        raise ValueError("it sums over the batch, which is to be dynamic")
    axes = list(range(start, len(shape)))
    with e.single():
        inputs = [e.cast(step.bottom)]
        named = {"axes": axes}
        if p.operation == _R.ASUM:  # of ReduceL1 OpenVINO passes over the axes
            inputs = [step.add("Abs", inputs, shape)]
        if p.operation in (_R.SUM, _R.ASUM):  # whose axes became an input
            inputs.append(step.constant(np.array(axes, np.int64), "axes"))
            named = {}
        operator = {
            _R.SUM: "ReduceSum", _R.ASUM: "ReduceSum", _R.SUMSQ: "ReduceSumSquare",
            _R.MEAN: "ReduceMean",
        }[p.operation]  # fmt: skip
        batched = start > 0 and step.bottom.batched
        y = step.add(operator, inputs, shape[:start], batched=batched, keepdims=0, **named)
        if p.coeff != 1:
            y = step.add("Mul", [y, step.constant(p.coeff, "coeff")], y.shape)
    return e.cast(y)


@emits("MVN")
def mvn(step: EmitStep) -> Value:
    """y = (x - mean) / (sqrt(variance) + eps), in single precision."""
    p, e, shape = step.param.mvn_param, step.emission, step.picture_map()
    axes = [1, 2, 3] if p.across_channels else [2, 3]
    over = tuple(1 if i in axes else n for i, n in enumerate(shape))
    with e.single():
        x = e.cast(step.bottom)
        y = step.add("Sub", [x, step.add("ReduceMean", [x], over, axes=axes, keepdims=1)], shape)
        if p.normalize_variance:
            squares = step.add("Mul", [y, y], shape)
            variance = step.add("ReduceMean", [squares], over, axes=axes, keepdims=1)
            spread = step.add("Sqrt", [variance], over)
            spread = step.add("Add", [spread, step.constant(p.eps, "eps")], over)
            y = step.add("Div", [y, spread], shape)
    return e.cast(y)


@emits("Tile")
def tile(step: EmitStep) -> Value:
    """The bottom several times along an axis."""
    shape, count = list(step.bottom.shape), step.param.tile_param.tiles
    axis = tiled_axis(step.node, shape)
    if axis == 0 and step.emission.dynamic and step.bottom.batched:
        raise ValueError("it repeats the batch, which is to be dynamic")
    shape[axis] *= count
    counts = np.array([count if i == axis else 1 for i in range(len(shape))], np.int64)
    return step.add("Tile", [step.bottom, step.constant(counts, "tiles")], shape)


@emits("SPP")
def spp(step: EmitStep) -> Value:
    """Poolings over ever smaller parts of a map, one after another."""
    batch, *_, height, width = step.picture_map()
    tops = [pooled(replace(step, node=n)) for n in pyramid(step.node, (height, width))]
    if len(tops) == 1:
        return tops[0]
    rows = [step.emission.reshape(t, (batch, int(np.prod(t.shape[1:]))), True) for t in tops]
    return step.add("Concat", rows, (batch, sum(r.shape[1] for r in rows)), axis=1)


@emits("Embed")
def embed(step: EmitStep) -> Value:
    """A vector for each whole number."""
    p, shape = step.param.embed_param, step.bottom.shape
    weight = step.constant(step.array(0, (p.input_dim, p.num_output)), "weight")
    index = step.add("Cast", [step.bottom], shape, whole=True, to=7)  # int64
    y = step.add("Gather", [weight, index], (*shape, p.num_output), axis=0)
    if not p.bias_term:
        return y
    return step.add("Add", [y, step.constant(step.array(1, (p.num_output,)), "bias")], y.shape)


@emits("ROIPooling")
def roi_pooling(step: EmitStep) -> Value:
    """The largest value in each part of each region, in single precision."""
    p, e, shape = step.param.roi_pooling_param, step.emission, step.picture_map()
    rois = step.bottoms[1]
    if len(rois.shape) < 2 or int(np.prod(rois.shape[1:])) != 5:
        raise ValueError("the second has not five numbers a region")
    top = (rois.shape[0], shape[1], p.pooled_h, p.pooled_w)
    pooled, scale = [p.pooled_h, p.pooled_w], p.spatial_scale
    with e.single():
        x, regions = e.cast(step.bottom), e.cast(e.reshape(rois, (rois.shape[0], 5), False))
        y = step.add("MaxRoiPool", [x, regions], top, pooled_shape=pooled, spatial_scale=scale)
    return e.cast(y)


@emits("Parameter")
def parameter(step: EmitStep) -> Value:
    """The layer's own array."""
    shape = tuple(step.param.parameter_param.shape.dim)
    values = step.array(0, shape)
    return Value("", shape, False, values)
