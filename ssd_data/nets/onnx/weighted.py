"""Layers that have arrays of their own."""

from __future__ import annotations

import math

import numpy as np

from ssd_data.nets.geometry import Shape, Window, convolution_group, convolution_window
from ssd_data.nets.onnx.emission import Array, EmitStep, Value
from ssd_data.nets.onnx.emit import emits


@emits("Convolution", "DepthwiseConvolution")
def convolution(step: EmitStep) -> Value:
    """Weight (outputs, inputs / group, kernel height, width)."""
    shape, window = step.picture_map(), convolution_window(step.node)
    outputs, group = convolution_group(step.node, shape[1])
    weights = _weights(step, (outputs, shape[1] // group, *window.kernel), outputs)
    top = (shape[0], outputs, *window.convolved(shape[2:]))
    return _add(step, "Conv", weights, top, group, window)


@emits("Deconvolution")
def deconvolution(step: EmitStep) -> Value:
    """Weight (inputs, outputs / group, kernel height, width)."""
    shape, window = step.picture_map(), convolution_window(step.node)
    outputs, group = convolution_group(step.node, shape[1])
    weights = _weights(step, (shape[1], outputs // group, *window.kernel), outputs)
    top = (shape[0], outputs, *window.deconvolved(shape[2:]))
    return _add(step, "ConvTranspose", weights, top, group, window)


def _add(
    step: EmitStep, operator: str, weights: list[Value], shape: Shape, group: int, window: Window
) -> Value:
    return step.add(
        operator,
        [step.bottom, *weights],
        shape,
        kernel_shape=window.kernel,
        strides=window.stride,
        pads=(*window.pad, *window.pad),
        dilations=window.dilation,
        group=group,
    )


def _weights(step: EmitStep, shape: Shape, outputs: int) -> list[Value]:
    values = [step.constant(step.array(0, shape), "weight")]
    if step.param.convolution_param.bias_term:
        values.append(step.constant(step.array(1, (outputs,)), "bias"))
    return values


@emits("InnerProduct")
def inner_product(step: EmitStep) -> Value:
    """y = weight · x + bias, x the values from ``axis`` on as one vector."""
    p, shape = step.param.inner_product_param, step.bottom.shape
    start = step.axis(p.axis)
    inputs = math.prod(shape[start:])
    if not p.num_output:
        raise step.error("has no num_output")
    if p.transpose:
        weight = step.array(0, (inputs, p.num_output))
    else:
        weight = step.array(0, (p.num_output, inputs)).T
    flat = step.emission.reshape(step.bottom, (*shape[:start], inputs), start > 0)
    result = (*shape[:start], p.num_output)
    y = step.add("MatMul", [flat, step.constant(weight, "weight")], result)
    if not p.bias_term:
        return y
    return step.add("Add", [y, step.constant(step.array(1, (p.num_output,)), "bias")], result)


@emits("PReLU")
def prelu(step: EmitStep) -> Value:
    """y = x where x > 0, else slope · x."""
    shape = step.bottom.shape
    count = 1 if step.param.prelu_param.channel_shared else shape[1]
    slope = step.array(0, (count,)).reshape(count, *[1] * (len(shape) - 2))
    return step.same("PRelu", step.constant(slope, "slope"))


@emits("BatchNorm")
def batch_norm(step: EmitStep) -> Value:
    """(x - mean) / sqrt(variance + eps), by the statistics that were gathered."""
    p, shape = step.param.batch_norm_param, step.bottom.shape
    if p.HasField("use_global_stats") and not p.use_global_stats:
        raise step.error("normalises by each batch's own statistics")
    channels = shape[1] if len(shape) > 1 else 1
    factor = float(step.array(2, ()))
    each = 1 / factor if factor else 0.0
    mean = step.array(0, (channels,)).astype(np.float64) * each
    variance = step.array(1, (channels,)).astype(np.float64) * each + p.eps
    if not (variance > 0).all():
        raise step.error("has a variance that, with eps, is not above 0")
    scale = 1 / np.sqrt(variance)
    return _affine(step, scale, -mean * scale, 1)


@emits("Scale")
def scale(step: EmitStep) -> Value:
    """y = scale · x + bias; with two bottoms the second is the scale."""
    p = step.param.scale_param
    start = step.axis(p.axis)
    if len(step.bottoms) == 1:
        shape = _rest(step, start, p.num_axes)
        bias = step.array(1, shape) if p.bias_term else None
        return _affine(step, step.array(0, shape), bias, start)
    other = step.bottoms[1]
    y = step.same("Mul", _spread(step, other, start))
    if not p.bias_term:
        return y
    bias = step.array(0, other.shape).reshape(_along(step, other.shape, start))
    return step.add("Add", [y, step.constant(bias, "bias")], y.shape)


@emits("Bias")
def bias(step: EmitStep) -> Value:
    """y = x + bias; with two bottoms the second is the bias."""
    p = step.param.bias_param
    start = step.axis(p.axis)
    if len(step.bottoms) == 1:
        return _affine(step, None, step.array(0, _rest(step, start, p.num_axes)), start)
    return step.same("Add", _spread(step, step.bottoms[1], start))


def _rest(step: EmitStep, start: int, axes: int) -> Shape:
    rest = step.bottom.shape[start:]
    return rest if axes == -1 else rest[:axes]


def _along(step: EmitStep, shape: Shape, start: int) -> Shape:
    """An array's shape that broadcasts to the bottom, along whose axes from ``start`` it lies."""
    if step.bottom.shape[start : start + len(shape)] != shape:
        raise ValueError(f"an array of {shape} does not lie along it from axis {start} on")
    return (*shape, *[1] * (len(step.bottom.shape) - start - len(shape)))


def _affine(step: EmitStep, scale: Array | None, shift: Array | None, start: int) -> Value:
    y = step.bottom
    for operator, array in (("Mul", scale), ("Add", shift)):
        if array is not None:
            spread = array.reshape(_along(step, array.shape, start))
            y = step.add(operator, [y, step.constant(spread, operator.lower())], y.shape)
    return y


def _spread(step: EmitStep, other: Value, start: int) -> Value:
    return step.emission.reshape(other, _along(step, other.shape, start), start == 0)
