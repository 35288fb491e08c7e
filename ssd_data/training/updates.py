"""Updates: the parameters as a solver sees them, and Caffe's solver types that move them
(``src/caffe/solvers/*_solver.cpp``).

A rule takes the gradients ``g`` (clipped, averaged, with decay added) of parameters that share a
rate, their histories and that rate, moves the histories in place and returns what is subtracted
from the parameters. All of a kind are worked on at once: a GPU would wait for Python otherwise.
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

Tensors: TypeAlias = list[Tensor]
Histories: TypeAlias = list[Tensors]
Rule: TypeAlias = Callable[[Tensors, Histories, float, "caffe_pb2.SolverParameter", int], Tensors]


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

    Attributes:
        shares: the solver's fields that the rule takes from 1: from 0 on, and below it.
        decay: a recipe's, in the place of the solver's ``weight_decay``.
        decouples: the weights decay by themselves, and the rule does not see it.
    """

    rule: Rule
    histories: int
    takes_momentum: bool = True
    shares: tuple[str, ...] = ()
    decay: float | None = None
    decouples: bool = False


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
    g: Tensors, history: Histories, rate: float, param: caffe_pb2.SolverParameter, iteration: int
) -> Tensors:
    return sgd(g, history, rate, param.momentum)


def sgd(g: Tensors, history: Histories, rate: float, momentum: float) -> Tensors:
    """h = momentum · h + rate · g; the history contains the rate."""
    (before,) = history
    torch._foreach_mul_(before, momentum)
    torch._foreach_add_(before, g, alpha=rate)
    return before


def _nesterov(
    g: Tensors, history: Histories, rate: float, param: caffe_pb2.SolverParameter, iteration: int
) -> Tensors:
    return nesterov(g, history, rate, param.momentum)


def nesterov(g: Tensors, history: Histories, rate: float, momentum: float) -> Tensors:
    """(1 + momentum) · h - momentum · h before, with :func:`sgd`'s h."""
    before = torch._foreach_mul(history[0], momentum)
    after = sgd(g, history, rate, momentum)
    return list(torch._foreach_sub(torch._foreach_mul(after, 1 + momentum), before))


def _adagrad(
    g: Tensors, history: Histories, rate: float, param: caffe_pb2.SolverParameter, iteration: int
) -> Tensors:
    torch._foreach_addcmul_(history[0], g, g)
    return _over_root(g, history[0], param.delta, rate)


def _rmsprop(
    g: Tensors, history: Histories, rate: float, param: caffe_pb2.SolverParameter, iteration: int
) -> Tensors:
    torch._foreach_mul_(history[0], param.rms_decay)
    torch._foreach_addcmul_(history[0], g, g, value=1 - param.rms_decay)
    return _over_root(g, history[0], param.delta, rate)


def _adadelta(
    g: Tensors, history: Histories, rate: float, param: caffe_pb2.SolverParameter, iteration: int
) -> Tensors:
    """The second history, of the updates, is moved before the rate is applied."""
    momentum, delta = param.momentum, param.delta
    gradients, updates = history
    torch._foreach_mul_(gradients, momentum)
    torch._foreach_addcmul_(gradients, g, g, value=1 - momentum)
    above, below = (torch._foreach_add(of, delta) for of in (updates, gradients))
    torch._foreach_div_(above, below)
    torch._foreach_sqrt_(above)
    update = torch._foreach_mul(g, above)
    torch._foreach_mul_(updates, momentum)
    torch._foreach_addcmul_(updates, update, update, value=1 - momentum)
    return list(torch._foreach_mul(update, rate))


def _adam(
    g: Tensors, history: Histories, rate: float, param: caffe_pb2.SolverParameter, iteration: int
) -> Tensors:
    return adam(g, history, rate, (param.momentum, param.momentum2), param.delta, iteration)


def adam(
    g: Tensors,
    history: Histories,
    rate: float,
    betas: tuple[float, float],
    delta: float,
    iteration: int,
) -> Tensors:
    """rate · c · m / (√v + delta), with means m of g and v of g² over time, and a c that makes up
    for their beginning at 0."""
    beta1, beta2 = betas
    first, second = history
    torch._foreach_mul_(first, beta1)
    torch._foreach_add_(first, g, alpha=1 - beta1)
    torch._foreach_mul_(second, beta2)
    torch._foreach_addcmul_(second, g, g, value=1 - beta2)
    count = iteration + 1
    correction = float((1 - beta2**count) ** 0.5 / (1 - beta1**count))
    return _over_root(first, second, delta, rate * correction)


def _over_root(above: Tensors, below: Tensors, delta: float, rate: float) -> Tensors:
    """rate · above / (√below + delta)."""
    roots = torch._foreach_sqrt(below)
    torch._foreach_add_(roots, delta)
    found = torch._foreach_div(above, roots)
    torch._foreach_mul_(found, rate)
    return list(found)


TYPES: dict[str, SolverType] = {
    "SGD": SolverType(_sgd, 1),
    "Nesterov": SolverType(_nesterov, 1),
    "AdaGrad": SolverType(_adagrad, 1, takes_momentum=False),
    "RMSProp": SolverType(_rmsprop, 1, takes_momentum=False, shares=("rms_decay",)),
    "AdaDelta": SolverType(_adadelta, 2),
    "Adam": SolverType(_adam, 2, shares=("momentum", "momentum2")),
}


def regularize(g: Tensors, weights: Tensors, decay: float, kind: str) -> None:
    """Add weight decay to gradients, in place: L2 ``decay · w``, L1 ``decay · sign(w)``.

    Raises:
        InputError: no regularisation has that name.
    """
    if decay and kind not in ("L2", "L1"):
        raise InputError(f'no regularization_type is called "{kind}"', hint="Known are L2, L1")
    if decay:
        added = weights if kind == "L2" else torch._foreach_sign(weights)
        torch._foreach_add_(g, added, alpha=decay)


def update_(
    params: Sequence[Param],
    found: SolverType,
    rate: float,
    param: caffe_pb2.SolverParameter,
    iteration: int,
) -> None:
    """Clip, average over ``iter_size``, add decay, apply the rule: in this order."""
    clip_([p.blob.grad for p in params], param.clip_gradients)
    alike: dict[tuple[float, float], list[Param]] = {}
    for p in params:
        alike.setdefault((p.lr_mult, p.decay_mult), []).append(p)
    for (lr_mult, decay_mult), group in alike.items():
        gradients = [p.blob.grad for p in group]
        weights = [p.blob.tensor.detach() for p in group]
        histories = [list(of) for of in zip(*(p.history for p in group), strict=True)]
        if param.iter_size > 1:
            torch._foreach_mul_(gradients, 1 / param.iter_size)
        decay = (param.weight_decay if found.decay is None else found.decay) * decay_mult
        if not found.decouples:
            regularize(gradients, weights, decay, param.regularization_type)
        elif rate * lr_mult * decay:
            torch._foreach_mul_(weights, 1 - rate * lr_mult * decay)
        update = found.rule(gradients, histories, rate * lr_mult, param, iteration)
        torch._foreach_sub_(weights, update)


def clip_(gradients: list[Tensor], most: float) -> None:
    """Scale all gradients so that their common L2 norm is at most ``most``; a negative ``most``
    leaves them."""
    if most < 0:
        return
    norm = float(torch.stack([g.square().sum() for g in gradients]).sum().sqrt())
    if norm > most:
        for g in gradients:
            g.mul_(most / norm)
