"""Pooling, with Caffe's sizes."""

from __future__ import annotations

import math

import numpy as np

from ssd_data.nets.onnx.emission import Step, Value
from ssd_data.nets.onnx.emitters import emits
from ssd_data.proto import caffe_pb2

_P = caffe_pb2.PoolingParameter


@emits("Pooling")
def pooling(step: Step) -> Value:
    """The size is ceil((x + 2 pad - kernel) / stride) + 1, less one window that would start beyond
    the padded picture: padding on the far side makes of it ONNX's, which rounds down."""
    p, shape = step.param.pooling_param, step.picture_map()
    if p.pool not in (_P.MAX, _P.AVE):
        raise step.error("stochastic pooling is not supported")
    largest = p.pool == _P.MAX
    if p.global_pooling:
        kind = "GlobalMaxPool" if largest else "GlobalAveragePool"
        return step.add(kind, [step.bottom], (*shape[:2], 1, 1))
    kernel, stride, pad = _geometry(step)
    sizes = [_size(shape[i + 2], kernel[i], stride[i], pad[i]) for i in (0, 1)]
    far = [(sizes[i] - 1) * stride[i] + kernel[i] - shape[i + 2] - pad[i] for i in (0, 1)]
    if min(sizes) < 1 or any(f >= k for f, k in zip(far, kernel, strict=True)):
        raise ValueError("a window would hold nothing of it")
    ends = (*pad, max(far[0], 0), max(far[1], 0))
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
    areas = _areas(shape[2:], sizes, kernel, stride, pad)
    if (areas == kernel[0] * kernel[1]).all():
        return y
    factor = (kernel[0] * kernel[1] / areas)[None, None]
    return step.add("Mul", [y, step.constant(factor, "areas")], y.shape)


def average(
    step: Step,
    x: Value,
    kernel: tuple[int, int],
    stride: tuple[int, int],
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


def _geometry(step: Step) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """Kernel, stride, pad; (height, width) each."""
    p = step.param.pooling_param
    one = p.HasField("kernel_size")
    kernel = (p.kernel_size, p.kernel_size) if one else (p.kernel_h, p.kernel_w)
    stride = (p.stride_h, p.stride_w) if p.HasField("stride_h") else (p.stride, p.stride)
    pad = (p.pad_h, p.pad_w) if p.HasField("pad_h") else (p.pad, p.pad)
    if min(kernel) < 1 or min(stride) < 1:
        raise step.error("has a kernel or stride of 0", "Set kernel_size")
    if any(a >= b for a, b in zip(pad, kernel, strict=True)):
        raise step.error("pads by the whole kernel or more")
    return kernel, stride, pad


def _size(length: int, kernel: int, stride: int, pad: int) -> int:
    size = math.ceil((length + 2 * pad - kernel) / stride) + 1
    return size - 1 if pad and (size - 1) * stride >= length + pad else size


def _areas(
    lengths: tuple[int, ...],
    sizes: list[int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    pad: tuple[int, int],
) -> np.ndarray:
    """Each window's area, cut at the padded picture's far end as Caffe cuts it."""
    sides = []
    for i in (0, 1):
        start = np.arange(sizes[i]) * stride[i] - pad[i]
        sides.append(np.minimum(start + kernel[i], lengths[i] + pad[i]) - start)
    areas: np.ndarray = sides[0][:, None] * sides[1][None]
    return areas
