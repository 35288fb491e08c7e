"""Layers that change each value by itself, of BVLC's proto and of forks."""

from __future__ import annotations

from ssd_data.nets.activations import clip_limits, exponential, hard_sigmoid_line, logarithm
from ssd_data.nets.onnx.emission import EmitStep, Value
from ssd_data.nets.onnx.emit import emits


@emits("AbsVal")
def absval(step: EmitStep) -> Value:
    """y = |x|."""
    return step.same("Abs")


@emits("BNLL")
def bnll(step: EmitStep) -> Value:
    """y = log(1 + exp(x)), in single precision."""
    e = step.emission
    with e.single():
        y = step.add("Softplus", [e.cast(step.bottom)], step.bottom.shape)
    return e.cast(y)


@emits("Clip")
def clip(step: EmitStep) -> Value:
    """y = max(min, min(x, max))."""
    least, most = clip_limits(step.node)
    return step.same("Clip", step.constant(least, "least"), step.constant(most, "most"))


@emits("Exp")
def exp(step: EmitStep) -> Value:
    """y = base ^ (shift + scale · x), in single precision."""
    e, shape = step.emission, step.bottom.shape
    inner, outer = exponential(step.node)
    with e.single():
        x = _times(step, e.cast(step.bottom), inner)
        y = _times(step, step.add("Exp", [x], shape), outer)
    return e.cast(y)


@emits("Log")
def log(step: EmitStep) -> Value:
    """y = the logarithm of shift + scale · x, in single precision."""
    p, e, shape = step.param.log_param, step.emission, step.bottom.shape
    with e.single():
        x = _times(step, e.cast(step.bottom), p.scale)
        if p.shift:
            x = step.add("Add", [x, step.constant(p.shift, "shift")], shape)
        y = _times(step, step.add("Log", [x], shape), logarithm(step.node))
    return e.cast(y)


@emits("Swish")
def swish(step: EmitStep) -> Value:
    """y = x · sigmoid(beta · x)."""
    x = _times(step, step.bottom, step.param.swish_param.beta)
    return step.same("Mul", step.add("Sigmoid", [x], x.shape))


@emits("HardSigmoid")
def hard_sigmoid(step: EmitStep) -> Value:
    """y = min(max(alpha · x + beta, 0), 1)."""
    alpha, beta = hard_sigmoid_line(step.node)
    return step.same("HardSigmoid", alpha=alpha, beta=beta)


@emits("HardSwish")
def hard_swish(step: EmitStep) -> Value:
    """y = x · min(max(x + 3, 0), 6) / 6; an operator of that name came with the next opset."""
    return step.same("Mul", step.same("HardSigmoid", alpha=1 / 6, beta=0.5))


@emits("Mish")
def mish(step: EmitStep) -> Value:
    """y = x · tanh(log(1 + exp(x))), in single precision."""
    e, shape = step.emission, step.bottom.shape
    with e.single():
        x = e.cast(step.bottom)
        bent = step.add("Tanh", [step.add("Softplus", [x], shape)], shape)
        y = step.add("Mul", [x, bent], shape)
    return e.cast(y)


@emits("Threshold")
def threshold(step: EmitStep) -> Value:
    """y = 1 where x is above the threshold, else 0."""
    limit = step.constant(step.param.threshold_param.threshold, "threshold")
    above = step.same("Greater", limit)
    both = [step.constant(1.0, "one"), step.constant(0.0, "nothing")]
    return step.add("Where", [above, *both], above.shape)


@emits("Axpy")
def axpy(step: EmitStep) -> Value:
    """y = a · x + b, a with one value a channel."""
    a, x, b = step.bottoms
    shape = x.shape
    if b.shape != shape or a.shape[:2] != shape[:2] or any(n != 1 for n in a.shape[2:]):
        raise ValueError("they do not fit one another")
    if len(a.shape) < len(shape):
        ones = (1,) * (len(shape) - len(a.shape))
        a = step.emission.reshape(a, (*a.shape, *ones), True)
    return step.add("Add", [step.add("Mul", [x, a], shape), b], shape)


def _times(step: EmitStep, x: Value, factor: float) -> Value:
    return x if factor == 1 else step.add("Mul", [x, step.constant(factor, "factor")], x.shape)
