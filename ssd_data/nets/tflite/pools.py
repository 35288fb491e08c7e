"""Pooling, and what sums over axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ssd_data.nets.tflite.convolutions import padded, zeros_around
from ssd_data.nets.tflite.translate import LAST, Laid, TfStep, translates


@translates("MaxPool", "AveragePool")
def pooling(step: TfStep) -> Laid:
    """Around a map lies nothing that could be the largest; an average's zeros lie there already."""
    x, kernel = step.picture(), step.attribute("kernel_shape")
    stride, pads = step.attribute("strides", [1, 1]), step.attribute("pads", [0] * 4)
    sizes = [(x.shape[2 + i] + pads[i] + pads[2 + i] - kernel[i]) // stride[i] + 1 for i in (0, 1)]
    out = (sizes[0], sizes[1])
    largest = step.node.op_type == "MaxPool"
    if not largest and any(pads):
        raise ValueError("averages over padding")
    x, padding = padded(
        step, x, (kernel, stride, pads[:2]), out, lambda *given: _least_around(step, *given)
    )
    options = step.s.Pool2DOptionsT()
    options.filterHeight, options.filterWidth = kernel
    options.strideH, options.strideW = stride
    options.padding = padding
    options.fusedActivationFunction = step.s.ActivationFunctionType.NONE
    made = Laid(-1, (*x.shape[:2], *out), LAST)
    kind = "MAX_POOL_2D" if largest else "AVERAGE_POOL_2D"
    return Laid(step.add(kind, [x.tensor], made.lies, options), made.shape, LAST)


def _least_around(step: TfStep, x: Laid, low: Any, far: Any) -> Laid:
    """A map in a frame of what no maximum takes: zeros, where nothing is below them."""
    if step.graph.is_positive(x.tensor):
        return zeros_around(step, x, low, far)
    ends = step.numbers([(0, 0), (low[0], far[0]), (low[1], far[1]), (0, 0)], "pads")
    least = step.graph.constant(np.float32(np.finfo(np.float32).min), f"{step.node.name}/least")
    shape = (*x.shape[:2], x.shape[2] + low[0] + far[0], x.shape[3] + low[1] + far[1])
    made = Laid(-1, shape, LAST)
    options = step.s.PadV2OptionsT()
    return Laid(step.add("PADV2", [x.tensor, ends, least], made.lies, options), shape, LAST)


@translates("GlobalAveragePool", "GlobalMaxPool")
def of_all(step: TfStep) -> Laid:
    """Over the whole map."""
    kind = "MEAN" if step.node.op_type == "GlobalAveragePool" else "REDUCE_MAX"
    return _over(step, kind, step.picture(), [2, 3])


@translates("ReduceSumSquare")
def squares(step: TfStep) -> Laid:
    """Σ x² over axes, which stay."""
    x = step.x
    options = step.s.MulOptionsT()
    options.fusedActivationFunction = step.s.ActivationFunctionType.NONE
    square = step.add("MUL", [x.tensor, x.tensor], x.lies, options)
    return _over(step, "SUM", Laid(square, x.shape, x.order), _axes(step))


@translates("ReduceSum", "ReduceMean", "ReduceMax")
def sums(step: TfStep) -> Laid:
    """Over axes, which stay."""
    kinds = {"ReduceSum": "SUM", "ReduceMean": "MEAN", "ReduceMax": "REDUCE_MAX"}
    return _over(step, kinds[step.node.op_type], step.x, _axes(step))


def _axes(step: TfStep) -> list[int]:
    if not step.attribute("keepdims", 1):
        raise ValueError("takes axes away")
    known = step.known(1)
    axes = step.attribute("axes") if known is None else known.tolist()
    return [axis % len(step.x.shape) for axis in axes]


def _over(step: TfStep, kind: str, x: Laid, axes: list[int]) -> Laid:
    shape = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
    options = step.s.ReducerOptionsT()
    options.keepDims = True
    places = step.numbers([x.order.index(axis) for axis in axes], "axes")
    lies = Laid(-1, shape, x.order).lies
    return Laid(step.add(kind, [x.tensor, places], lies, options), shape, x.order)
