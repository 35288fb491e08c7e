"""Updates: the parameters as a solver sees them, and Caffe's solver types that move them
(``src/caffe/solvers/*_solver.cpp``).

A rule takes a parameter's gradient ``g`` (clipped, averaged, with decay added), its histories and
the rate, moves the histories in place and returns what is subtracted from the parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import torch
from torch import Tensor

from ssd_data.core.errors import InputError
from ssd_data.engines.torch.blob import Blob
from ssd_data.engines.torch.net import Net
from ssd_data.nets.caffemodel import Array
from ssd_data.proto import caffe_pb2

Rule: TypeAlias = Callable[[Tensor, list[Tensor], float, "caffe_pb2.SolverParameter", int], Tensor]


@dataclass(slots=True)
class Param:
    """One parameter with what the update rule keeps of it."""

    blob: Blob
    lr_mult: float
    decay_mult: float
    history: list[Tensor] = field(default_factory=list)


def parameters(net: Net, histories: int) -> list[Param]:
    """All parameters once each, in the layers' order, statistics included, as Caffe lists them."""
    found: dict[int, Param] = {}
    for layer in net.steps:
        specs = layer.param.param
        for i, blob in enumerate(layer.params):
            if id(blob) in found:
                continue
            spec = specs[i] if i < len(specs) else caffe_pb2.ParamSpec()
            rate = 0.0 if layer.statistics else spec.lr_mult
            history = [torch.zeros_like(blob.tensor.detach()) for _ in range(histories)]
            found[id(blob)] = Param(blob, rate, spec.decay_mult, history)
    return list(found.values())


def histories(params: Sequence[Param]) -> list[Tensor]:
    """All histories in a solver state's order: the first of all parameters, then the second."""
    count = min((len(param.history) for param in params), default=0)
    return [param.history[i] for i in range(count) for param in params]


def set_histories(params: Sequence[Param], arrays: Sequence[Array], where: object) -> None:
    """Take a solver state's histories.

    Raises:
        InputError: they are another net's, or another solver type's.
    """
    wanted = histories(params)
    if len(arrays) != len(wanted):
        raise InputError(
            f"it holds {len(arrays)} arrays of history, this solver has {len(wanted)}",
            where=where,
            hint="Is it a snapshot of this net and this solver type?",
        )
    for tensor, array in zip(wanted, arrays, strict=True):
        if tensor.numel() != array.size:
            raise InputError("its history has other shapes than the net", where=where)
        tensor.copy_(torch.from_numpy(array.reshape(tuple(tensor.shape))))


@dataclass(frozen=True, slots=True)
class SolverType:
    """A solver type: its rule, how many histories a parameter has, and whether it has momentum.

    ``shares`` are the solver's fields that the rule takes from 1: from 0 on, and below it.
    """

    rule: Rule
    histories: int
    takes_momentum: bool = True
    shares: tuple[str, ...] = ()


def find_type(param: caffe_pb2.SolverParameter) -> SolverType:
    """The rule of a solver's ``type``.

    Raises:
        InputError: no type has that name, or it cannot compute with the momentum or decay.
    """
    name = param.type
    if param.HasField("solver_type"):  # the form before 2015
        old = caffe_pb2.SolverParameter.SolverType.Name(param.solver_type)
        name = next(known for known in TYPES if known.upper() == old)
    if name not in TYPES:
        hint = "Known are " + ", ".join(TYPES)
        raise InputError(f'no solver type is called "{name}"', hint=hint)
    found = TYPES[name]
    if not found.takes_momentum and param.momentum:
        raise InputError(f"momentum cannot be used with {name}", hint="Leave momentum out")
    for share in found.shares:
        if not 0 <= (value := getattr(param, share)) < 1:
            what = f"{share} is {value:g}, with {name} it must be in 0 … 1, 1 excluded"
            raise InputError(what, hint=f"Is {share} meant as another solver's?")
    return found


def _sgd(
    g: Tensor, history: list[Tensor], rate: float, param: caffe_pb2.SolverParameter, iteration: int
) -> Tensor:
    """h = momentum · h + rate · g; the history contains the rate."""
    return history[0].mul_(param.momentum).add_(g, alpha=rate)


def _nesterov(
    g: Tensor, history: list[Tensor], rate: float, param: caffe_pb2.SolverParameter, iteration: int
) -> Tensor:
    before = history[0].clone()
    after = history[0].mul_(param.momentum).add_(g, alpha=rate)
    return after * (1 + param.momentum) - before * param.momentum


def _adagrad(
    g: Tensor, history: list[Tensor], rate: float, param: caffe_pb2.SolverParameter, iteration: int
) -> Tensor:
    history[0].addcmul_(g, g)
    return _over(g, history[0].sqrt().add_(param.delta)).mul_(rate)


def _rmsprop(
    g: Tensor, history: list[Tensor], rate: float, param: caffe_pb2.SolverParameter, iteration: int
) -> Tensor:
    history[0].mul_(param.rms_decay).addcmul_(g, g, value=1 - param.rms_decay)
    return _over(g, history[0].sqrt().add_(param.delta)).mul_(rate)


def _adadelta(
    g: Tensor, history: list[Tensor], rate: float, param: caffe_pb2.SolverParameter, iteration: int
) -> Tensor:
    """The second history, of the updates, is moved before the rate is applied."""
    momentum, delta = param.momentum, param.delta
    gradients, updates = history
    gradients.mul_(momentum).addcmul_(g, g, value=1 - momentum)
    update = g * ((updates + delta) / (gradients + delta)).sqrt()
    updates.mul_(momentum).addcmul_(update, update, value=1 - momentum)
    return update * rate


def _adam(
    g: Tensor, history: list[Tensor], rate: float, param: caffe_pb2.SolverParameter, iteration: int
) -> Tensor:
    beta1, beta2 = param.momentum, param.momentum2
    first, second = history
    first.mul_(beta1).add_(g, alpha=1 - beta1)
    second.mul_(beta2).addcmul_(g, g, value=1 - beta2)
    count = iteration + 1
    correction = float((1 - beta2**count) ** 0.5 / (1 - beta1**count))
    return _over(first, second.sqrt().add_(param.delta)).mul_(rate * correction)


def _over(above: Tensor, below: Tensor) -> Tensor:
    """The quotient, in the memory of what it is divided by."""
    return torch.div(above, below, out=below)


TYPES: dict[str, SolverType] = {
    "SGD": SolverType(_sgd, 1),
    "Nesterov": SolverType(_nesterov, 1),
    "AdaGrad": SolverType(_adagrad, 1, takes_momentum=False),
    "RMSProp": SolverType(_rmsprop, 1, takes_momentum=False, shares=("rms_decay",)),
    "AdaDelta": SolverType(_adadelta, 2),
    "Adam": SolverType(_adam, 2, shares=("momentum", "momentum2")),
}


def regularize(g: Tensor, weights: Tensor, decay: float, kind: str) -> None:
    """Add weight decay to a gradient, in place: L2 ``decay · w``, L1 ``decay · sign(w)``.

    Raises:
        InputError: no regularisation has that name.
    """
    if decay and kind not in ("L2", "L1"):
        raise InputError(f'no regularization_type is called "{kind}"', hint="Known are L2, L1")
    if decay:
        g.add_(weights if kind == "L2" else torch.sign(weights), alpha=decay)


def clip_(gradients: list[Tensor], most: float) -> None:
    """Scale all gradients so that their common L2 norm is at most ``most``; a negative ``most``
    leaves them."""
    if most < 0:
        return
    norm = float(torch.stack([g.square().sum() for g in gradients]).sum().sqrt())
    if norm > most:
        for g in gradients:
            g.mul_(most / norm)
