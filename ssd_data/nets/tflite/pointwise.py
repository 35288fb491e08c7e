"""What changes values and keeps shapes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ssd_data.nets.layer_step import Array
from ssd_data.nets.tflite.translate import LAST, Laid, TfStep, translates

_ONE = {
    "Sigmoid": "LOGISTIC", "Tanh": "TANH", "Exp": "EXP", "Sqrt": "SQRT", "Log": "LOG",
    "Abs": "ABS", "Neg": "NEG", "HardSwish": "HARD_SWISH",
}  # fmt: skip
_TWO = {
    "Add": "ADD", "Sub": "SUB", "Mul": "MUL", "Div": "DIV", "Max": "MAXIMUM", "Min": "MINIMUM",
    "Pow": "POW",
}  # fmt: skip


@translates(*_ONE)
def one(step: TfStep) -> Laid:
    """A function of each value."""
    return _made(step, _ONE[step.node.op_type], [], step.x)


@translates(*_TWO)
def two(step: TfStep) -> Laid:
    """A function of pairs of values; a constant lies beside what is computed."""
    kind, names = _TWO[step.node.op_type], step.node.input
    if len(names) != 2:
        raise ValueError("takes two")
    known = [step.known(i) for i in (0, 1)]
    if known[0] is not None and known[1] is not None:
        raise ValueError("takes known values alone")
    place = 0 if known[0] is None else 1
    x, other = step.value(place), known[1 - place]
    if other is not None:
        tensor, shape = step.beside(other, x), np.broadcast_shapes(x.shape, other.shape)
        order = x.order
    else:
        second = step.value(1 - place)
        if len(second.shape) != len(x.shape):
            raise ValueError("takes values of as many axes")
        tensor, order = step.laid(second, x.order).tensor, x.order
        shape = np.broadcast_shapes(x.shape, second.shape)
    inputs = [x.tensor, tensor] if place == 0 else [tensor, x.tensor]
    lies = Laid(-1, shape, order).lies
    return Laid(step.add(kind, inputs, lies, _options(step, kind)), shape, order)


@translates("Relu")
def relu(step: TfStep) -> Laid:
    """In what comes before, where nothing else reads that."""
    return _activated(step, "RELU")


@translates("Clip")
def clip(step: TfStep) -> Laid:
    """Within two numbers; from 0 to 6 as its own operator."""
    least, most = (step.known(i) for i in (1, 2))
    if least is not None and most is not None and (least.item(), most.item()) == (0, 6):
        return _activated(step, "RELU6")
    x = step.x
    for kind, limit in (("MAXIMUM", least), ("MINIMUM", most)):
        if limit is not None:
            x = _with(step, kind, x, limit.reshape(()))
    return x


def _activated(step: TfStep, kind: str) -> Laid:
    x = step.x
    alone = step.readers[step.node.input[0]] == 1
    return x if alone and step.graph.activate(x.tensor, kind) else _made(step, kind, [], x)


@translates("LeakyRelu")
def leaky(step: TfStep) -> Laid:
    """alpha · x below 0."""
    options = step.s.LeakyReluOptionsT()
    options.alpha = step.attribute("alpha", 0.01)
    return _made(step, "LEAKY_RELU", [], step.x, options)


@translates("PRelu")
def prelu(step: TfStep) -> Laid:
    """slope · x below 0, a slope a channel."""
    x, slope = step.x, step.require_known(1)
    wide = slope.reshape((1,) * (len(x.shape) - slope.ndim) + slope.shape)
    # LiteRT's has no axis for the batch, and wants the channel last.
    x = step.laid(x, LAST) if len(x.shape) == 4 else step.plain(x)
    held = step.graph.constant(wide.transpose(x.order)[0], f"{step.node.name}/slope")
    return _made(step, "PRELU", [held], x)


@translates("Elu")
def elu(step: TfStep) -> Laid:
    """alpha · (exp(x) - 1) below 0."""
    x, alpha = step.x, step.attribute("alpha", 1.0)
    if alpha == 1:
        return _made(step, "ELU", [], x)
    low = _made(step, "ELU", [], _with(step, "MINIMUM", x, np.float32(0)))
    low = _with(step, "MUL", low, np.float32(alpha))
    high = _made(step, "RELU", [], x)
    return _made(step, "ADD", [low.tensor], high, _options(step, "ADD"))


@translates("HardSigmoid")
def hard_sigmoid(step: TfStep) -> Laid:
    """alpha · x + beta, from 0 to 1."""
    x = _with(step, "MUL", step.x, np.float32(step.attribute("alpha", 0.2)))
    x = _with(step, "ADD", x, np.float32(step.attribute("beta", 0.5)))
    return _with(step, "MINIMUM", _made(step, "RELU", [], x), np.float32(1))


@translates("Softplus")
def softplus(step: TfStep) -> Laid:
    """log(1 + exp(x)), of which the exponent is never above 0."""
    x = step.x
    low = _made(step, "EXP", [], _made(step, "NEG", [], _made(step, "ABS", [], x)))
    low = _made(step, "LOG", [], _with(step, "ADD", low, np.float32(1)))
    high = _made(step, "RELU", [], x)
    return _made(step, "ADD", [low.tensor], high, _options(step, "ADD"))


@translates("Softmax")
def softmax(step: TfStep) -> Laid:
    """Over one axis, which has to lie last."""
    x = step.x
    axis = step.attribute("axis", -1) % len(x.shape)
    if x.order[-1] != axis:
        x = step.laid(x, [*(i for i in x.order if i != axis), axis])
    options = step.s.SoftmaxOptionsT()
    options.beta = 1.0
    return _made(step, "SOFTMAX", [], x, options)


@translates("LRN")
def lrn(step: TfStep) -> Laid:
    """Over neighbouring channels; LiteRT's alpha is of the sum, ONNX's of the mean."""
    size = step.attribute("size")
    options = step.s.LocalResponseNormalizationOptionsT()
    options.radius, options.bias = size // 2, step.attribute("bias", 1.0)
    options.alpha = step.attribute("alpha", 1e-4) / size
    options.beta = step.attribute("beta", 0.75)
    return _made(step, "LOCAL_RESPONSE_NORMALIZATION", [], step.picture(), options)


def _with(step: TfStep, kind: str, x: Laid, value: Array | np.float32) -> Laid:
    """An operator with a number beside it."""
    held = step.graph.constant(np.float32(value), f"{step.node.name}/{kind.lower()}")
    return _made(step, kind, [held], x, _options(step, kind))


def _made(step: TfStep, kind: str, more: list[int], x: Laid, options: Any = None) -> Laid:
    return Laid(step.add(kind, [x.tensor, *more], x.lies, options), x.shape, x.order)


def _options(step: TfStep, kind: str) -> Any:
    """What an operator of two says of itself."""
    s = step.s
    if kind in ("MAXIMUM", "MINIMUM"):
        return s.MaximumMinimumOptionsT()
    options = getattr(s, f"{kind.title()}OptionsT")()
    if hasattr(options, "fusedActivationFunction"):
        options.fusedActivationFunction = s.ActivationFunctionType.NONE
    return options
