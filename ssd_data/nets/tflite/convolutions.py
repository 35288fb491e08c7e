"""Convolutions and what else has weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from ssd_data.nets.layer_step import Array
from ssd_data.nets.tflite.translate import LAST, Laid, TfStep, translates


def padded(step: TfStep, x: Laid, window: Any, out: tuple[int, int], fill: Any) -> tuple[Laid, int]:
    """A map, channels last, with what a window needs around it; and which padding is left to do.

    Args:
        window: kernel (with its holes), stride and pads before, each (height, width).
        out: the result's size.
        fill: adds what has to lie around: (low, high) of both axes.
    """
    kernel, stride, low = window
    sizes = x.shape[2:]
    far = [
        max(0, (out[i] - 1) * stride[i] + kernel[i] - sizes[i] - low[i]) for i in (0, 1)
    ]  # what lies further out no window meets
    if not any(low) and not any(far):
        return x, int(step.s.Padding.VALID)
    whole = [
        max(0, (-(-sizes[i] // stride[i]) - 1) * stride[i] + kernel[i] - sizes[i]) for i in (0, 1)
    ]
    same = all(
        -(-sizes[i] // stride[i]) == out[i]
        and (low[i], far[i]) == (whole[i] // 2, whole[i] - whole[i] // 2)
        for i in (0, 1)
    )
    if same:
        return x, int(step.s.Padding.SAME)
    return fill(x, low, far), int(step.s.Padding.VALID)


def zeros_around(step: TfStep, x: Laid, low: Any, far: Any) -> Laid:
    """A map, channels last, in a frame of zeros."""
    ends = step.numbers([(0, 0), (low[0], far[0]), (low[1], far[1]), (0, 0)], "pads")
    shape = (*x.shape[:2], x.shape[2] + low[0] + far[0], x.shape[3] + low[1] + far[1])
    made = Laid(-1, shape, LAST)
    tensor = step.add("PAD", [x.tensor, ends], made.lies, step.s.PadOptionsT())
    return Laid(tensor, shape, LAST)


@translates("Conv")
def convolution(step: TfStep) -> Laid:
    """Weights (outputs, height, width, inputs of a group); of one input a group (1, height, width,
    outputs)."""
    x, weight = step.picture(), step.require_known(1)
    group, stride = step.attribute("group", 1), step.attribute("strides", [1, 1])
    holes, pads = step.attribute("dilations", [1, 1]), step.attribute("pads", [0] * 4)
    kernel = [(k - 1) * d + 1 for k, d in zip(weight.shape[2:], holes, strict=True)]
    sizes = [(x.shape[2 + i] + pads[i] + pads[2 + i] - kernel[i]) // stride[i] + 1 for i in (0, 1)]
    out = (sizes[0], sizes[1])
    x, padding = padded(
        step, x, (kernel, stride, pads[:2]), out, lambda *given: zeros_around(step, *given)
    )
    s, outputs = step.s, weight.shape[0]
    alone = group > 1 and weight.shape[1] == 1 and outputs % group == 0
    options = s.DepthwiseConv2DOptionsT() if alone else s.Conv2DOptionsT()
    options.strideH, options.strideW = stride
    options.dilationHFactor, options.dilationWFactor = holes
    options.padding = padding
    options.fusedActivationFunction = s.ActivationFunctionType.NONE
    if alone:
        options.depthMultiplier = outputs // group
        held = weight.transpose(1, 2, 3, 0)
    else:
        held = weight.transpose(0, 2, 3, 1)
    inputs = [x.tensor, _weight(step, held, "weight"), _weight(step, _bias(step, outputs), "bias")]
    made = Laid(-1, (x.shape[0], outputs, *out), LAST)
    kind = "DEPTHWISE_CONV_2D" if alone else "CONV_2D"
    return Laid(step.add(kind, inputs, made.lies, options), made.shape, LAST)


@translates("ConvTranspose")
def deconvolution(step: TfStep) -> Laid:
    """Without padding, and then cut; a group's weights lie among zeros, and holes are zeros."""
    x, weight = step.picture(), step.require_known(1)
    stride, pads = step.attribute("strides", [1, 1]), step.attribute("pads", [0] * 4)
    held = _whole(weight, step.attribute("group", 1), step.attribute("dilations", [1, 1]))
    full = [(x.shape[2 + i] - 1) * stride[i] + held.shape[2 + i] for i in (0, 1)]
    s, outputs = step.s, held.shape[1]
    options = s.TransposeConvOptionsT()
    options.strideH, options.strideW = stride
    options.padding = s.Padding.VALID
    options.fusedActivationFunction = s.ActivationFunctionType.NONE
    made = Laid(-1, (x.shape[0], outputs, *full), LAST)
    weights = _weight(step, held.transpose(1, 2, 3, 0), "weight")
    sizes = step.numbers(made.lies, "sizes")
    tensor = step.add("TRANSPOSE_CONV", [sizes, weights, x.tensor], made.lies, options)
    shape = (*made.shape[:2], *(full[i] - pads[i] - pads[2 + i] for i in (0, 1)))
    if any(pads):
        begin = step.numbers([0, pads[0], pads[1], 0], "begin")
        lies = Laid(-1, shape, LAST).lies
        size = step.numbers(lies, "size")
        tensor = step.add("SLICE", [tensor, begin, size], lies, s.SliceOptionsT())
    bias = step.known(2)
    if bias is not None:
        tensor = _add(step, tensor, bias, Laid(tensor, shape, LAST))
    return Laid(tensor, shape, LAST)


def _whole(weight: Array, group: int, holes: Any) -> Array:
    """Weights (inputs, outputs / group, height, width) as (inputs, outputs, height, width) with
    zeros where another group's lie, and between the kernel's places."""
    inputs, each, height, width = weight.shape
    size = [(k - 1) * d + 1 for k, d in zip((height, width), holes, strict=True)]
    made = np.zeros((inputs, each * group, *size), np.float32)
    count = inputs // group
    for i in range(group):
        rows, columns = slice(i * count, (i + 1) * count), slice(i * each, (i + 1) * each)
        made[rows, columns, :: holes[0], :: holes[1]] = weight[rows]
    return made


@translates("MatMul")
def inner_product(step: TfStep) -> Laid:
    """x · weight; LiteRT has the weight the other way round."""
    x, weight = step.plain(step.x), step.require_known(1)
    options = step.s.FullyConnectedOptionsT()
    options.fusedActivationFunction = step.s.ActivationFunctionType.NONE
    options.keepNumDims = True
    shape = (*x.shape[:-1], weight.shape[1])
    inputs = [x.tensor, _weight(step, weight.T, "weight")]
    inputs.append(_weight(step, np.zeros(weight.shape[1], np.float32), "bias"))
    tensor = step.add("FULLY_CONNECTED", inputs, shape, options)
    return Laid(tensor, shape, tuple(range(len(shape))))


def _bias(step: TfStep, outputs: int) -> Array:
    known = step.known(2)
    return np.zeros(outputs, np.float32) if known is None else known


def _add(step: TfStep, tensor: int, bias: Array, like: Laid) -> int:
    options = step.s.AddOptionsT()
    options.fusedActivationFunction = step.s.ActivationFunctionType.NONE
    return step.add("ADD", [tensor, _weight(step, bias, "bias")], like.lies, options)


def _weight(step: TfStep, values: Array, name: str) -> int:
    held = np.ascontiguousarray(values, np.float32)
    return step.graph.weight(held, f"{step.node.name}/{name}")
