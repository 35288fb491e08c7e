"""Layers that have arrays of their own."""

from __future__ import annotations

import math

import numpy as np

from ssd_data.nets.geometry import Shape, convolution_group, convolution_window
from ssd_data.nets.layer_step import Array, along, normalisation, rest
from ssd_data.nets.ncnn.emission import NcnnBlob, NcnnStep
from ssd_data.nets.ncnn.emit import writes
from ssd_data.nets.ncnn.model import Param
from ssd_data.nets.ncnn.pointwise import ADD, MULTIPLY


@writes("Convolution", "DepthwiseConvolution", "Deconvolution")
def convolution(step: NcnnStep) -> NcnnBlob:
    """Weight (outputs, inputs / group, kernel height, width), of both kinds in ncnn."""
    shape, window = step.picture_map(), convolution_window(step.node)
    outputs, group = convolution_group(step.node, shape[1])
    if step.node.type == "Deconvolution":
        kind, size = "Deconvolution", window.deconvolved(shape[2:])
        given = (group, shape[1] // group, outputs // group, *window.kernel)
        weight = step.array(0, given).swapaxes(1, 2)
    else:
        kind, size = "Convolution", window.convolved(shape[2:])
        weight = step.array(0, (outputs, shape[1] // group, *window.kernel))
    bias = step.param.convolution_param.bias_term
    params: dict[int, Param] = {
        0: outputs, 1: window.kernel[1], 11: window.kernel[0], 2: window.dilation[1],
        12: window.dilation[0], 3: window.stride[1], 13: window.stride[0], 4: window.pad[1],
        14: window.pad[0], 5: int(bias), 6: int(weight.size),
    }  # fmt: skip
    if group > 1:
        kind, params[7] = f"{kind}DepthWise", group
    arrays = [step.array(1, (outputs,))] if bias else []
    top = (shape[0], outputs, *size)
    whole = np.ascontiguousarray(weight)
    return step.emission.add(kind, [step.bottom], top, params, whole, arrays)


@writes("InnerProduct")
def inner_product(step: NcnnStep) -> NcnnBlob:
    """y = weight · x + bias, x the whole of a picture's values as one vector."""
    p, shape = step.param.inner_product_param, step.bottom.shape
    if step.axis(p.axis) != 1:
        raise ValueError("ncnn's InnerProduct takes the values from axis 1 on")
    if not p.num_output:
        raise step.error("has no num_output")
    inputs = math.prod(shape[1:])
    given = (inputs, p.num_output) if p.transpose else (p.num_output, inputs)
    weight = step.array(0, given)
    weight = np.ascontiguousarray(weight.T if p.transpose else weight)
    params: dict[int, Param] = {0: int(p.num_output), 1: int(p.bias_term), 2: int(weight.size)}
    arrays = [step.array(1, (p.num_output,))] if p.bias_term else []
    flat = step.emission.reshape(step.bottom, (1, inputs))
    return step.emission.add("InnerProduct", [flat], (1, p.num_output), params, weight, arrays)


@writes("PReLU")
def prelu(step: NcnnStep) -> NcnnBlob:
    """y = x where x > 0, else slope · x."""
    shape = step.bottom.shape
    count = 1 if step.param.prelu_param.channel_shared else shape[1]
    slope = step.array(0, (count,))
    return step.emission.add("PReLU", [step.bottom], shape, {0: count}, arrays=[slope])


@writes("BatchNorm")
def batch_norm(step: NcnnStep) -> NcnnBlob:
    """(x - mean) / sqrt(variance + eps), by the statistics that were gathered."""
    return _affine(step, *normalisation(step), 1)


@writes("Scale")
def scale(step: NcnnStep) -> NcnnBlob:
    """y = scale · x + bias; with two bottoms the second is the scale."""
    p = step.param.scale_param
    start = step.axis(p.axis)
    if len(step.bottoms) == 1:
        shape = rest(step, start, p.num_axes)
        bias = step.array(1, shape) if p.bias_term else None
        return _affine(step, step.array(0, shape), bias, start)
    other = step.bottoms[1]
    y = _with(step, step.bottom, MULTIPLY, _spread(step, other, start))
    if not p.bias_term:
        return y
    return _with(step, y, ADD, _constant(step, step.array(0, other.shape), start))


@writes("Bias")
def bias(step: NcnnStep) -> NcnnBlob:
    """y = x + bias; with two bottoms the second is the bias."""
    p = step.param.bias_param
    start = step.axis(p.axis)
    if len(step.bottoms) == 1:
        return _affine(step, None, step.array(0, rest(step, start, p.num_axes)), start)
    return _with(step, step.bottom, ADD, _spread(step, step.bottoms[1], start))


def _affine(step: NcnnStep, factor: Array | None, shift: Array | None, start: int) -> NcnnBlob:
    """Times an array, plus another: along the channels by ncnn's Scale, else place by place."""
    arrays = [np.asarray(a, np.float32) for a in (factor, shift) if a is not None]
    y, shape = step.bottom, step.bottom.shape
    if factor is not None and start == 1 and arrays[0].shape == shape[1:2]:
        params: dict[int, Param] = {0: shape[1], 1: int(shift is not None)}
        return step.emission.add("Scale", [y], shape, params, arrays=arrays)
    for kind, array in ((MULTIPLY, factor), (ADD, shift)):
        if array is not None:
            y = _with(step, y, kind, _constant(step, array, start))
    return y


def _with(step: NcnnStep, x: NcnnBlob, kind: int, other: NcnnBlob) -> NcnnBlob:
    return step.emission.add("BinaryOp", [x, other], x.shape, {0: kind})


def _constant(step: NcnnStep, array: Array, start: int) -> NcnnBlob:
    """An array as a blob of the bottom's axes."""
    values = np.asarray(array, np.float32).reshape(_whole(along(step, array.shape, start), step))
    return step.emission.constant(values)


def _spread(step: NcnnStep, other: NcnnBlob, start: int) -> NcnnBlob:
    return step.emission.reshape(other, _whole(along(step, other.shape, start), step))


def _whole(shape: Shape, step: NcnnStep) -> Shape:
    """With as many axes as the bottom has."""
    return (*[1] * (len(step.bottom.shape) - len(shape)), *shape)
