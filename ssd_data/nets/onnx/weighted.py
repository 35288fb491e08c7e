"""Layers that have arrays of their own."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from ssd_data.nets.onnx.emission import Array, Shape, Step, Value
from ssd_data.nets.onnx.emitters import emits


@emits("Convolution", "DepthwiseConvolution")
def convolution(step: Step) -> Value:
    """Weight (outputs, inputs / group, kernel height, width)."""
    shape, outputs, group, geometry = _convolution(step)
    kernel, stride, pad, dilation = geometry
    lengths = [
        (shape[i + 2] + 2 * pad[i] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1
        for i in (0, 1)
    ]
    weights = _weights(step, (outputs, shape[1] // group, *kernel), outputs)
    return _add(step, "Conv", weights, (shape[0], outputs, *lengths), group, geometry)


@emits("Deconvolution")
def deconvolution(step: Step) -> Value:
    """Weight (inputs, outputs / group, kernel height, width)."""
    shape, outputs, group, geometry = _convolution(step)
    kernel, stride, pad, dilation = geometry
    lengths = [
        (shape[i + 2] - 1) * stride[i] + dilation[i] * (kernel[i] - 1) + 1 - 2 * pad[i]
        for i in (0, 1)
    ]
    weights = _weights(step, (shape[1], outputs // group, *kernel), outputs)
    return _add(step, "ConvTranspose", weights, (shape[0], outputs, *lengths), group, geometry)


def _add(
    step: Step,
    operator: str,
    weights: list[Value],
    shape: Shape,
    group: int,
    geometry: tuple[tuple[int, int], ...],
) -> Value:
    kernel, stride, pad, dilation = geometry
    return step.add(
        operator,
        [step.bottom, *weights],
        shape,
        kernel_shape=kernel,
        strides=stride,
        pads=(*pad, *pad),
        dilations=dilation,
        group=group,
    )


def _convolution(
    step: Step,
) -> tuple[tuple[int, int, int, int], int, int, tuple[tuple[int, int], ...]]:
    """The bottom's shape, outputs, group; kernel, stride, pad and dilation."""
    p, shape = step.param.convolution_param, step.picture_map()
    if p.axis != 1:
        raise step.error("only axis 1 can hold the channels")
    kernel = _pair(step, "kernel", p.kernel_size, p.kernel_h, p.kernel_w, 0)
    pad = _pair(step, "pad", p.pad, p.pad_h, p.pad_w, 0)
    stride = _pair(step, "stride", p.stride, p.stride_h, p.stride_w, 1)
    dilation = _pair(step, "dilation", p.dilation, 0, 0, 1)
    if min(kernel) < 1 or min(stride) < 1 or min(dilation) < 1:
        raise step.error("has a kernel, stride or dilation of 0", "Set kernel_size")
    outputs, group = p.num_output, max(p.group, 1)
    if not outputs or shape[1] % group or outputs % group:
        raise step.error(f"group {group} does not divide {shape[1]} channels and {outputs} outputs")
    return shape, outputs, group, (kernel, stride, pad, dilation)


def _pair(
    step: Step, name: str, both: Iterable[int], height: int, width: int, default: int
) -> tuple[int, int]:
    """(height, width) of a repeated field or its _h and _w."""
    values = list(both)
    if height or width:
        if values:
            raise step.error(f"has {name} both as one number and as {name}_h and {name}_w")
        return height, width
    if len(values) > 2:
        raise step.error(f"has {len(values)} numbers for {name}; 2 at most")
    values = values or [default]
    return values[0], values[-1]


def _weights(step: Step, shape: Shape, outputs: int) -> list[Value]:
    values = [step.constant(step.array(0, shape), "weight")]
    if step.param.convolution_param.bias_term:
        values.append(step.constant(step.array(1, (outputs,)), "bias"))
    return values


@emits("InnerProduct")
def inner_product(step: Step) -> Value:
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
    flat = step.emission.reshape(step.bottom, (*shape[:start], inputs), start > 0, "")
    result = (*shape[:start], p.num_output)
    y = step.add("MatMul", [flat, step.constant(weight, "weight")], result)
    if not p.bias_term:
        return y
    return step.add("Add", [y, step.constant(step.array(1, (p.num_output,)), "bias")], result)


@emits("PReLU")
def prelu(step: Step) -> Value:
    """y = x where x > 0, else slope · x."""
    shape = step.bottom.shape
    count = 1 if step.param.prelu_param.channel_shared else shape[1]
    slope = step.array(0, (count,)).reshape(count, *[1] * (len(shape) - 2))
    return step.same("PRelu", step.constant(slope, "slope"))


@emits("BatchNorm")
def batch_norm(step: Step) -> Value:
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
def scale(step: Step) -> Value:
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
def bias(step: Step) -> Value:
    """y = x + bias; with two bottoms the second is the bias."""
    p = step.param.bias_param
    start = step.axis(p.axis)
    if len(step.bottoms) == 1:
        return _affine(step, None, step.array(0, _rest(step, start, p.num_axes)), start)
    return step.same("Add", _spread(step, step.bottoms[1], start))


def _rest(step: Step, start: int, axes: int) -> Shape:
    rest = step.bottom.shape[start:]
    return rest if axes == -1 else rest[:axes]


def _along(step: Step, shape: Shape, start: int) -> Shape:
    """An array's shape that broadcasts to the bottom, along whose axes from ``start`` it lies."""
    if step.bottom.shape[start : start + len(shape)] != shape:
        raise ValueError(f"an array of {shape} does not lie along it from axis {start} on")
    return (*shape, *[1] * (len(step.bottom.shape) - start - len(shape)))


def _affine(step: Step, scale: Array | None, shift: Array | None, start: int) -> Value:
    y = step.bottom
    for operator, array in (("Mul", scale), ("Add", shift)):
        if array is not None:
            spread = array.reshape(_along(step, array.shape, start))
            y = step.add(operator, [y, step.constant(spread, operator.lower())], y.shape)
    return y


def _spread(step: Step, other: Value, start: int) -> Value:
    return step.emission.reshape(other, _along(step, other.shape, start), start == 0, "")
