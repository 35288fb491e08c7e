"""Pooling, with Caffe's sizes."""

from __future__ import annotations

import numpy as np

from ssd_data.nets.geometry import Size, pooled_areas, pooling_window
from ssd_data.nets.onnx.emission import EmitStep, Value
from ssd_data.nets.onnx.emit import emits
from ssd_data.proto import caffe_pb2

_P = caffe_pb2.PoolingParameter


@emits("Pooling")
def pooling(step: EmitStep) -> Value:
    """Its one top."""
    if len(step.node.tops) > 1:
        raise step.error("its mask, the second top, cannot be written as ONNX")
    return pooled(step)


def pooled(step: EmitStep) -> Value:
    """The size is ceil((x + 2 pad - kernel) / stride) + 1, less one window that would start beyond
    the padded picture: padding on the far side makes of it ONNX's, which rounds down."""
    p, shape = step.param.pooling_param, step.picture_map()
    if p.pool not in (_P.MAX, _P.AVE):
        raise step.error("stochastic pooling is not supported")
    largest = p.pool == _P.MAX
    window = pooling_window(step.node, shape[2:])
    if p.global_pooling:
        kind = "GlobalMaxPool" if largest else "GlobalAveragePool"
        return step.add(kind, [step.bottom], (*shape[:2], 1, 1))
    kernel, stride = window.kernel, window.stride
    sizes, far = window.pooled(shape[2:]), window.far_pad(shape[2:])
    if min(sizes) < 1 or any(f >= k for f, k in zip(far, kernel, strict=True)):
        raise ValueError("a window would hold nothing of it")
    ends = (*window.pad, max(far[0], 0), max(far[1], 0))
    if largest:
        whole = (*shape[:2], *sizes)
        return step.add(
            "MaxPool",
            [step.bottom],
            whole,
            kernel_shape=kernel,
            strides=stride,
            pads=ends,
        )
    y = average(step, step.bottom, kernel, stride, ends)
    areas = np.outer(*pooled_areas(step.node, window, shape[2:]))
    if (areas == kernel[0] * kernel[1]).all():
        return y
    factor = (kernel[0] * kernel[1] / areas)[None, None]
    return step.add("Mul", [y, step.constant(factor, "areas")], y.shape)


def average(
    step: EmitStep,
    x: Value,
    kernel: Size,
    stride: Size,
    pads: tuple[int, int, int, int],
) -> Value:
    """Sums over windows by the kernel's area; pads: top, left, bottom, right, of zeros."""
    shape = list(x.shape)
    if any(pads):
        ends = step.constant(np.array([0, 0, *pads[:2], 0, 0, *pads[2:]], np.int64), "pads")
        shape[2] += pads[0] + pads[2]
        shape[3] += pads[1] + pads[3]
        x = step.add("Pad", [x, ends], shape, mode="constant", batched=x.batched)
    sizes = [(shape[i + 2] - kernel[i]) // stride[i] + 1 for i in (0, 1)]
    whole = (*shape[:2], *sizes)
    return step.add("AveragePool", [x], whole, kernel_shape=kernel, strides=stride)
