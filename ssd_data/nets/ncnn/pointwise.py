"""Layers that change values and keep shapes."""

from __future__ import annotations

from ssd_data.nets.ncnn.emission import NcnnBlob, NcnnStep
from ssd_data.nets.ncnn.emit import writes
from ssd_data.nets.ncnn.model import Param
from ssd_data.proto import caffe_pb2

_E = caffe_pb2.EltwiseParameter
ADD, MULTIPLY = 0, 2  # of BinaryOp


@writes("Dropout", "Split")
def same(step: NcnnStep) -> NcnnBlob:
    """Gives what it reads."""
    return step.bottom


@writes("Silence")
def silence(step: NcnnStep) -> list[NcnnBlob]:
    """Gives nothing."""
    return []


@writes("ReLU")
def relu(step: NcnnStep) -> NcnnBlob:
    """y = x where x > 0, else negative_slope · x."""
    return step.same("ReLU", {0: float(step.param.relu_param.negative_slope)})


@writes("ReLU6")
def relu6(step: NcnnStep) -> NcnnBlob:
    """y = min(max(x, 0), 6)."""
    return step.same("Clip", {0: 0.0, 1: 6.0})


@writes("Sigmoid")
def sigmoid(step: NcnnStep) -> NcnnBlob:
    """y = 1 / (1 + exp(-x))."""
    return step.same("Sigmoid")


@writes("TanH")
def tanh(step: NcnnStep) -> NcnnBlob:
    """y = tanh(x)."""
    return step.same("TanH")


@writes("ELU")
def elu(step: NcnnStep) -> NcnnBlob:
    """y = x where x > 0, else alpha · (exp(x) - 1)."""
    return step.same("ELU", {0: float(step.param.elu_param.alpha)})


@writes("Softmax")
def softmax(step: NcnnStep) -> NcnnBlob:
    """exp(x) over its sum along ``axis``; parameter 1 says that the axis is meant."""
    axis = step.axis_within(step.axis(step.param.softmax_param.axis))
    return step.same("Softmax", {0: axis, 1: 1})


@writes("Power")
def power(step: NcnnStep) -> NcnnBlob:
    """y = (shift + scale · x) ^ power."""
    p, x = step.param.power_param, step.bottom
    if p.power != 1:
        return step.same("Power", {0: float(p.power), 1: float(p.scale), 2: float(p.shift)})
    for kind, value, nothing in ((MULTIPLY, p.scale, 1), (ADD, p.shift, 0)):
        if value != nothing:
            number = {0: kind, 1: 1, 2: float(value)}
            x = step.emission.add("BinaryOp", [x], x.shape, number)
    return x


@writes("Eltwise")
def eltwise(step: NcnnStep) -> NcnnBlob:
    """Product, weighted sum or largest."""
    p, bottoms = step.param.eltwise_param, step.bottoms
    if len({b.shape for b in bottoms}) > 1:
        raise ValueError("they differ")
    if p.coeff and (p.operation != _E.SUM or len(p.coeff) != len(bottoms)):
        raise step.error(f"has {len(p.coeff)} coeff for {len(bottoms)} bottoms; SUM takes them")
    kind = {_E.PROD: 0, _E.SUM: 1, _E.MAX: 2}[p.operation]
    params: dict[int, Param] = {0: kind}
    if p.coeff:
        params[1] = [float(c) for c in p.coeff]
    return step.emission.add("Eltwise", bottoms, step.bottom.shape, params)


@writes("LRN")
def lrn(step: NcnnStep) -> NcnnBlob:
    """y = x / (k + alpha / n · Σ x²) ^ beta over n neighbours; k is 1 within channels."""
    p = step.param.lrn_param
    if p.local_size % 2 == 0:
        raise step.error("local_size must be odd")
    step.picture_map()
    within = p.norm_region == caffe_pb2.LRNParameter.WITHIN_CHANNEL
    k = 1.0 if within else float(p.k)
    params = {0: int(within), 1: int(p.local_size), 2: float(p.alpha), 3: float(p.beta), 4: k}
    return step.same("LRN", params)


@writes("Normalize")
def normalize(step: NcnnStep) -> NcnnBlob:
    """y = scale · x / sqrt(Σ x² + eps)."""
    p, shape = step.param.norm_param, step.picture_map()
    count = 1 if p.channel_shared else shape[1]
    scale = step.array(0, (count,))
    params = {
        0: int(p.across_spatial), 1: int(p.channel_shared), 2: float(p.eps), 3: count, 4: 1, 9: 0
    }  # fmt: skip
    return step.emission.add("Normalize", [step.bottom], shape, params, arrays=[scale])


@writes("MVN")
def mvn(step: NcnnStep) -> NcnnBlob:
    """y = (x - mean) / (sqrt(variance) + eps)."""
    p = step.param.mvn_param
    if len(step.bottom.shape) != 4:
        raise ValueError("it is no map")
    numbers = {0: int(p.normalize_variance), 1: int(p.across_channels), 2: float(p.eps)}
    return step.same("MVN", numbers)
