"""Layers that change each value by itself, of BVLC's proto and of forks."""

from __future__ import annotations

from ssd_data.nets.activations import clip_limits, exponential, hard_sigmoid_line, logarithm
from ssd_data.nets.ncnn.emission import NcnnBlob, NcnnStep
from ssd_data.nets.ncnn.emit import writes
from ssd_data.nets.ncnn.pointwise import ADD, MULTIPLY

NATURAL = -1.0  # a base


@writes("AbsVal", "BNLL", "Mish")
def of_the_same_name(step: NcnnStep) -> NcnnBlob:
    """ncnn has them by these names."""
    return step.same(step.node.type)


@writes("Clip")
def clip(step: NcnnStep) -> NcnnBlob:
    """y = max(min, min(x, max))."""
    least, most = clip_limits(step.node)
    return step.same("Clip", {0: float(least), 1: float(most)})


@writes("Exp")
def exp(step: NcnnStep) -> NcnnBlob:
    """y = base ^ (shift + scale · x)."""
    inner, outer = exponential(step.node)
    return _times(step, step.same("Exp", {0: NATURAL, 1: float(inner), 2: 0.0}), outer)


@writes("Log")
def log(step: NcnnStep) -> NcnnBlob:
    """y = the logarithm of shift + scale · x."""
    p = step.param.log_param
    made = step.same("Log", {0: NATURAL, 1: float(p.scale), 2: float(p.shift)})
    return _times(step, made, logarithm(step.node))


@writes("Swish")
def swish(step: NcnnStep) -> NcnnBlob:
    """y = x · sigmoid(beta · x)."""
    e, shape = step.emission, step.bottom.shape
    x = _times(step, step.bottom, step.param.swish_param.beta)
    return e.add("BinaryOp", [step.bottom, e.add("Sigmoid", [x], shape)], shape, {0: MULTIPLY})


@writes("HardSigmoid")
def hard_sigmoid(step: NcnnStep) -> NcnnBlob:
    """y = min(max(alpha · x + beta, 0), 1)."""
    alpha, beta = hard_sigmoid_line(step.node)
    return step.same("HardSigmoid", {0: float(alpha), 1: float(beta)})


@writes("HardSwish")
def hard_swish(step: NcnnStep) -> NcnnBlob:
    """y = x · min(max(x + 3, 0), 6) / 6."""
    return step.same("HardSwish", {0: 1 / 6, 1: 0.5})


@writes("Threshold")
def threshold(step: NcnnStep) -> NcnnBlob:
    """y = 1 where x is above the threshold, else 0."""
    return step.same("Threshold", {0: float(step.param.threshold_param.threshold)})


@writes("Axpy")
def axpy(step: NcnnStep) -> NcnnBlob:
    """y = a · x + b, a with one value a channel."""
    a, x, b = step.bottoms
    e, shape = step.emission, x.shape
    if b.shape != shape or a.shape[:2] != shape[:2] or any(n != 1 for n in a.shape[2:]):
        raise ValueError("they do not fit one another")
    a = e.reshape(a, (*shape[:2], *[1] * (len(shape) - 2)))
    y = e.add("BinaryOp", [x, a], shape, {0: MULTIPLY})
    return e.add("BinaryOp", [y, b], shape, {0: ADD})


def _times(step: NcnnStep, x: NcnnBlob, factor: float) -> NcnnBlob:
    if factor == 1:
        return x
    return step.emission.add("BinaryOp", [x], x.shape, {0: MULTIPLY, 1: 1, 2: float(factor)})
