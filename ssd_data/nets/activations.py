"""What layers that change values say: Clip, Exp, Log, HardSigmoid, and Tile.

Whoever computes or writes a net reads their parameters here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ssd_data.nets.geometry import axis_of
from ssd_data.nets.graph import Node


def clip_limits(node: Node) -> tuple[float, float]:
    """A Clip's least and greatest value.

    Raises:
        LayerError: one is missing, or they are the wrong way round.
    """
    p = node.param.clip_param
    if not (p.HasField("min") and p.HasField("max")):
        raise node.error("clip_param has no min or no max", "Give it both")
    if not p.min <= p.max:
        raise node.error(f"clip_param has min {p.min:g} and max {p.max:g}")
    return p.min, p.max


def exponential(node: Node) -> tuple[float, float]:
    """What an Exp multiplies with before it takes e's power, and after it.

    Raises:
        LayerError: the base is not above 0, or the numbers overflow.
    """
    p = node.param.exp_param
    log_base = _log_base(node, p.base)
    try:
        outer = math.exp(log_base * p.shift)
    except OverflowError:
        outer = math.inf
    return _finite(node, log_base * p.scale), _finite(node, outer)


def logarithm(node: Node) -> float:
    """What a Log multiplies natural logarithms with.

    Raises:
        LayerError: the base is not above 0, or 1.
    """
    log_base = _log_base(node, node.param.log_param.base)
    if log_base == 0:
        raise node.error("its base is 1, to which there are no logarithms")
    return 1 / log_base


def _log_base(node: Node, base: float) -> float:
    if base == -1:  # none is given: e
        return 1.0
    if not 0 < base < math.inf:
        raise node.error(f"its base is {base:g}, not above 0", "Leave base out for e")
    return math.log(base)


def _finite(node: Node, value: float) -> float:
    if not math.isfinite(value):
        raise node.error("its base, scale and shift make no number")
    return value


def hard_sigmoid_line(node: Node) -> tuple[float, float]:
    """A HardSigmoid's slope and its value at 0; forks have two names for its message."""
    old = node.param.HasField("hardsigmoid_param")
    p = node.param.hardsigmoid_param if old else node.param.hard_sigmoid_param
    return p.alpha, p.beta


def tiled_axis(node: Node, shape: Sequence[int]) -> int:
    """The axis along which a Tile repeats.

    Raises:
        LayerError: there is no such axis, or nothing would be left.
    """
    p = node.param.tile_param
    if p.tiles < 1:
        raise node.error("has no tiles above 0", "Give tile_param its tiles")
    return axis_of(node, p.axis, len(shape))
