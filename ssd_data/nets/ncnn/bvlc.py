"""Layers of BVLC's proto that ncnn took over by name, with BVLC's own numbers."""

from __future__ import annotations

from ssd_data.nets.activations import exponential, logarithm
from ssd_data.nets.ncnn.emission import NcnnBlob, NcnnStep
from ssd_data.nets.ncnn.emit import writes


@writes("AbsVal")
def absval(step: NcnnStep) -> NcnnBlob:
    """y = |x|."""
    return step.same("AbsVal")


@writes("BNLL")
def bnll(step: NcnnStep) -> NcnnBlob:
    """y = log(1 + exp(x))."""
    return step.same("BNLL")


@writes("Exp")
def exp(step: NcnnStep) -> NcnnBlob:
    """y = base ^ (shift + scale · x)."""
    p = step.param.exp_param
    exponential(step.node)  # refuses what is wrong
    return step.same("Exp", {0: float(p.base), 1: float(p.scale), 2: float(p.shift)})


@writes("Log")
def log(step: NcnnStep) -> NcnnBlob:
    """y = the logarithm of shift + scale · x."""
    p = step.param.log_param
    logarithm(step.node)  # refuses what is wrong
    return step.same("Log", {0: float(p.base), 1: float(p.scale), 2: float(p.shift)})


@writes("Threshold")
def threshold(step: NcnnStep) -> NcnnBlob:
    """y = 1 where x is above the threshold, else 0."""
    return step.same("Threshold", {0: float(step.param.threshold_param.threshold)})


@writes("MVN")
def mvn(step: NcnnStep) -> NcnnBlob:
    """y = (x - mean) / (sqrt(variance) + eps)."""
    p = step.param.mvn_param
    if len(step.bottom.shape) != 4:
        raise ValueError("it is no map")
    numbers = {0: int(p.normalize_variance), 1: int(p.across_channels), 2: float(p.eps)}
    return step.same("MVN", numbers)
