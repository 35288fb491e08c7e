"""Layers that change values and keep shapes."""

from __future__ import annotations

import numpy as np

from ssd_data.nets.onnx.emission import EmitStep, Value
from ssd_data.nets.onnx.emit import emits
from ssd_data.nets.onnx.pooling import average
from ssd_data.proto import caffe_pb2

_E = caffe_pb2.EltwiseParameter


@emits("Dropout", "Split")
def same(step: EmitStep) -> Value:
    """Gives what it reads."""
    return step.bottom


@emits("Silence")
def silence(step: EmitStep) -> list[Value]:
    """Gives nothing."""
    return []


@emits("ReLU")
def relu(step: EmitStep) -> Value:
    """y = x where x > 0, else negative_slope · x."""
    slope = step.param.relu_param.negative_slope
    return step.same("LeakyRelu", alpha=slope) if slope else step.same("Relu")


@emits("ReLU6")
def relu6(step: EmitStep) -> Value:
    """y = min(max(x, 0), 6)."""
    return step.same("Clip", step.constant(0.0, "least"), step.constant(6.0, "most"))


@emits("Sigmoid")
def sigmoid(step: EmitStep) -> Value:
    """y = 1 / (1 + exp(-x))."""
    return step.same("Sigmoid")


@emits("TanH")
def tanh(step: EmitStep) -> Value:
    """y = tanh(x)."""
    return step.same("Tanh")


@emits("ELU")
def elu(step: EmitStep) -> Value:
    """y = x where x > 0, else alpha · (exp(x) - 1)."""
    return step.same("Elu", alpha=step.param.elu_param.alpha)


@emits("Softmax")
def softmax(step: EmitStep) -> Value:
    """exp(x) over its sum along ``axis``."""
    return step.same("Softmax", axis=step.axis(step.param.softmax_param.axis))


@emits("Power")
def power(step: EmitStep) -> Value:
    """y = (shift + scale · x) ^ power."""
    p, x = step.param.power_param, step.bottom
    for operator, value, nothing in (
        ("Mul", p.scale, 1), ("Add", p.shift, 0), ("Pow", p.power, 1)
    ):  # fmt: skip
        if value != nothing:
            x = step.add(operator, [x, step.constant(value)], x.shape)
    return x


@emits("Eltwise")
def eltwise(step: EmitStep) -> Value:
    """Product, weighted sum or largest."""
    p, bottoms = step.param.eltwise_param, step.bottoms
    if len({b.shape for b in bottoms}) > 1:
        raise ValueError("they differ")
    if p.coeff and (p.operation != _E.SUM or len(p.coeff) != len(bottoms)):
        raise step.error(f"has {len(p.coeff)} coeff for {len(bottoms)} bottoms; SUM takes them")
    operator = {_E.PROD: "Mul", _E.MAX: "Max", _E.SUM: "Add"}[p.operation]
    parts = list(bottoms)
    for i, factor in enumerate(p.coeff):
        if factor != 1:
            parts[i] = step.add("Mul", [parts[i], step.constant(factor, "coeff")], parts[i].shape)
    result = parts[0]
    for part in parts[1:]:
        result = step.add(operator, [result, part], result.shape)
    return result


@emits("LRN")
def lrn(step: EmitStep) -> Value:
    """y = x / (k + alpha / n · Σ x²) ^ beta over n neighbours, in single precision."""
    p, e = step.param.lrn_param, step.emission
    if p.local_size % 2 == 0:
        raise step.error("local_size must be odd")
    shape = step.picture_map()
    with e.single():
        x = e.cast(step.bottom)
        if p.norm_region == caffe_pb2.LRNParameter.WITHIN_CHANNEL:
            half = p.local_size // 2
            squares = step.add("Mul", [x, x], shape)
            mean = average(step, squares, (p.local_size,) * 2, (1, 1), (half,) * 4)
            mean = step.add("Mul", [mean, step.constant(p.alpha, "alpha")], shape)
            mean = step.add("Add", [mean, step.constant(1.0, "one")], shape)
            y = step.add(
                "Mul",
                [x, step.add("Pow", [mean, step.constant(-p.beta, "beta")], shape)],
                shape,
            )
        else:
            # OpenVINO takes whole numbers for k: y = k^-beta · x / (1 + alpha / (k n) · Σ x²)^beta.
            k = p.k if p.k > 0 and p.k % 1 else 1.0
            named = {"alpha": p.alpha / k, "beta": p.beta, "bias": p.k / k, "size": p.local_size}
            y = step.add("LRN", [x], shape, **named)
            if k != 1:
                y = step.add("Mul", [y, step.constant(k**-p.beta, "k")], shape)
    return e.cast(y)


@emits("Normalize")
def normalize(step: EmitStep) -> Value:
    """y = scale · x / sqrt(Σ x² + eps), in single precision."""
    p, e = step.param.norm_param, step.emission
    shape = step.picture_map()
    axes = [1, 2, 3] if p.across_spatial else [1]
    over = tuple(1 if i in axes else n for i, n in enumerate(shape))
    count = 1 if p.channel_shared else shape[1]
    scale = step.array(0, (count,)).reshape(1, count, 1, 1)
    with e.single():
        x = e.cast(step.bottom)
        sums = step.add("ReduceSumSquare", [x], over, axes=axes, keepdims=1)
        sums = step.add("Add", [sums, step.constant(p.eps, "eps")], over)
        y = step.add("Div", [x, step.add("Sqrt", [sums], over)], shape)
        y = step.add("Mul", [y, step.constant(np.asarray(scale), "scale")], shape)
    return e.cast(y)
