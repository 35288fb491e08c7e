"""Learning rates: Caffe's policies (``GetLearningRate``, ``src/caffe/solvers/sgd_solver.cpp``)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from sys import float_info

from ssd_data.core.errors import InputError
from ssd_data.proto import caffe_pb2

FLOAT_MAX = 3.4028234663852886e38  # what the original starts the minimum loss with


@dataclass(slots=True)
class Progress:
    """Where a run stands; what a policy reads, and of ``multistep`` and ``plateau`` also moves.

    Attributes:
        iteration: how many updates were made.
        step: how many drops of the rate there were.
        smoothed_loss: as it is displayed.
        minimum_loss: the least of them so far; last_event: the iteration of the last new minimum or
            drop. Both are the plateau policy's.
    """

    iteration: int = 0
    step: int = 0
    smoothed_loss: float = 0.0
    minimum_loss: float = FLOAT_MAX
    last_event: int = 0


def learning_rate(param: caffe_pb2.SolverParameter, progress: Progress) -> float:
    """The rate of the coming update.

    Raises:
        InputError: no policy has that name, or it lacks a number that it needs.
    """
    policy = _POLICIES.get(param.lr_policy)
    if policy is None:
        raise InputError(
            f'no lr_policy is called "{param.lr_policy}"', hint="Known are " + ", ".join(_POLICIES)
        )
    return param.base_lr * policy(param, progress)


def warmed(rate: float, iteration: int, warm_up: int) -> float:
    """A rate during the first ``warm_up`` updates: of update i it is (i + 1) / warm_up."""
    return rate * (iteration + 1) / warm_up if iteration < warm_up else rate


def _power(base: float, exponent: float) -> float:
    """As C's ``pow``, which does not fail: infinite, or no number."""
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return math.inf
    except ValueError:
        return math.nan if base else math.inf


def _fixed(param: caffe_pb2.SolverParameter, progress: Progress) -> float:
    return 1.0


def _step(param: caffe_pb2.SolverParameter, progress: Progress) -> float:
    if param.stepsize < 1:
        raise InputError("lr_policy step needs a stepsize")
    progress.step = progress.iteration // param.stepsize
    return _power(param.gamma, progress.step)


def _exp(param: caffe_pb2.SolverParameter, progress: Progress) -> float:
    return _power(param.gamma, progress.iteration)


def _inv(param: caffe_pb2.SolverParameter, progress: Progress) -> float:
    return _power(1 + param.gamma * progress.iteration, -param.power)


def _multistep(param: caffe_pb2.SolverParameter, progress: Progress) -> float:
    """At most one step an iteration, also where several are due."""
    values = param.stepvalue
    if progress.step < len(values) and progress.iteration >= values[progress.step]:
        progress.step += 1
    return _power(param.gamma, progress.step)


def _poly(param: caffe_pb2.SolverParameter, progress: Progress) -> float:
    if param.max_iter < 1:
        raise InputError("lr_policy poly needs max_iter")
    return _power(max(0.0, 1 - progress.iteration / param.max_iter), param.power)


def _sigmoid(param: caffe_pb2.SolverParameter, progress: Progress) -> float:
    exponent = -param.gamma * (progress.iteration - param.stepsize)
    return 1 / (1 + math.exp(exponent)) if exponent < math.log(float_info.max) else 0.0


def _plateau(param: caffe_pb2.SolverParameter, progress: Progress) -> float:
    """A drop after ``plateau_winsize[step]`` iterations without a new minimum of the loss."""
    if progress.smoothed_loss < progress.minimum_loss:
        progress.minimum_loss, progress.last_event = progress.smoothed_loss, progress.iteration
    windows = param.plateau_winsize
    left = progress.step < len(windows)
    if left and progress.iteration >= progress.last_event + windows[progress.step]:
        progress.step += 1
        progress.last_event = progress.iteration
    return _power(param.gamma, progress.step)


_POLICIES: dict[str, Callable[[caffe_pb2.SolverParameter, Progress], float]] = {
    "fixed": _fixed,
    "step": _step,
    "exp": _exp,
    "inv": _inv,
    "multistep": _multistep,
    "poly": _poly,
    "sigmoid": _sigmoid,
    "plateau": _plateau,
}
