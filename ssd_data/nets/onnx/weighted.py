"""Layers that have arrays of their own."""

from __future__ import annotations

import math

from ssd_data.nets.geometry import convolution_group, convolution_window
from ssd_data.nets.layer_step import Array, along, normalisation, rest
from ssd_data.nets.onnx.emission import EmitStep, Value
from ssd_data.nets.onnx.emit import emits


@emits("Convolution", "DepthwiseConvolution", "Deconvolution")
def convolution(step: EmitStep) -> Value:
    """Weight (outputs, inputs / group, kernel height, width); a Deconvolution's (inputs,
    outputs / group, kernel height, width)."""
    shape, window = step.picture_map(), convolution_window(step.node)
    outputs, group = convolution_group(step.node, shape[1])
    if step.node.type == "Deconvolution":
        operator, size = "ConvTranspose", window.deconvolved(shape[2:])
        weight = step.array(0, (shape[1], outputs // group, *window.kernel))
    else:
        operator, size = "Conv", window.convolved(shape[2:])
        weight = step.array(0, (outputs, shape[1] // group, *window.kernel))
    inputs = [step.bottom, step.constant(weight, "weight")]
    if step.param.convolution_param.bias_term:
        inputs.append(step.constant(step.array(1, (outputs,)), "bias"))
    return step.add(
        operator,
        inputs,
        (shape[0], outputs, *size),
        kernel_shape=window.kernel,
        strides=window.stride,
        pads=(*window.pad, *window.pad),
        dilations=window.dilation,
        group=group,
    )


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
    return _affine(step, *normalisation(step), 1)


@emits("Scale")
def scale(step: EmitStep) -> Value:
    """y = scale · x + bias; with two bottoms the second is the scale."""
    p = step.param.scale_param
    start = step.axis(p.axis)
    if len(step.bottoms) == 1:
        shape = rest(step, start, p.num_axes)
        bias = step.array(1, shape) if p.bias_term else None
        return _affine(step, step.array(0, shape), bias, start)
    other = step.bottoms[1]
    y = step.same("Mul", _spread(step, other, start))
    if not p.bias_term:
        return y
    bias = step.array(0, other.shape).reshape(along(step, other.shape, start))
    return step.add("Add", [y, step.constant(bias, "bias")], y.shape)


@emits("Bias")
def bias(step: EmitStep) -> Value:
    """y = x + bias; with two bottoms the second is the bias."""
    p = step.param.bias_param
    start = step.axis(p.axis)
    if len(step.bottoms) == 1:
        return _affine(step, None, step.array(0, rest(step, start, p.num_axes)), start)
    return step.same("Add", _spread(step, step.bottoms[1], start))


def _affine(step: EmitStep, scale: Array | None, shift: Array | None, start: int) -> Value:
    y = step.bottom
    for operator, array in (("Mul", scale), ("Add", shift)):
        if array is not None:
            spread = array.reshape(along(step, array.shape, start))
            y = step.add(operator, [y, step.constant(spread, operator.lower())], y.shape)
    return y


def _spread(step: EmitStep, other: Value, start: int) -> Value:
    return step.emission.reshape(other, along(step, other.shape, start), start == 0)
