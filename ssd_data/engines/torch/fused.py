"""The layers between the data and the loss as one function, made by torch.compile."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ssd_data.core.errors import UsageError
from ssd_data.engines.torch.layer import Layer

Call = Callable[..., tuple[Tensor, ...]]
_COMPILERS = ("g++", "clang++", "c++")
_SIZES_ALONE = "PriorBox"  # reads nothing but its bottoms' sizes


@dataclass(slots=True)
class FusedStep:
    """One call and the layers that it stands for."""

    call: Call
    layers: list[Layer]
    bottoms: list[str]
    tops: list[str]
    loss_weights: list[float]


def require_compiler(device: torch.device) -> None:
    """What torch.compile needs is there: a C++ compiler, or on a GPU Triton.

    Raises:
        UsageError: it is not.
    """
    if device.type == "cuda":
        if importlib.util.find_spec("triton") is None:
            raise UsageError("Triton is not installed", where="--compile", hint="Leave it out")
    elif not any(map(shutil.which, (os.environ.get("CXX", ""), *_COMPILERS))):
        raise UsageError(
            "torch.compile needs a C++ compiler, and there is none",
            where="--compile",
            hint="Install g++, name yours in CXX, or leave it out",
        )


def fuse(steps: Sequence[FusedStep], outputs: Sequence[str]) -> list[FusedStep]:
    """The same steps: data, priors, one step for all other layers, and what reads these: losses.

    Of the blobs within the one step only those have values afterwards that others read.

    Args:
        outputs: names of the net's outputs.

    Raises:
        UsageError: no layers can run as one; from the step itself: torch cannot compile them.
    """
    before, body, after = _parts(steps)
    made = [top for step in body for top in step.tops]
    if not body:
        raise UsageError("this net has no layers to compile", where="--compile")
    bottoms = sorted({b for b in _read(body) if b not in made or b in _tops(before)})
    wanted = sorted(set(made) & (_read(after) | set(outputs)))
    layers = [layer for step in body for layer in step.layers]
    one = FusedStep(_compiled(body, bottoms, wanted), layers, bottoms, wanted, [0.0] * len(wanted))
    return [*before, one, *after]


def _parts(steps: Sequence[FusedStep]) -> tuple[list[FusedStep], list[FusedStep], list[FusedStep]]:
    """Data layers; what runs as one; and the others, in their order.

    Raises:
        UsageError: one of the others needs a blob that is written again afterwards.
    """
    before: list[FusedStep] = []
    body: list[FusedStep] = []
    after: list[FusedStep] = []
    needed: set[str] = set()
    for step in steps:
        kind = step.layers[0]
        reads_others = any(name in _tops(after) for name in step.bottoms)
        if not step.bottoms:
            before.append(step)
        elif kind.is_loss or kind.node.type == _SIZES_ALONE or reads_others:
            after.append(step)
            needed |= set(step.bottoms) if kind.node.type != _SIZES_ALONE else set()
        elif needed & set(step.tops):
            raise UsageError("this net's layers cannot run as one", where="--compile")
        else:
            body.append(step)
    return before, body, after


def _compiled(body: Sequence[FusedStep], bottoms: Sequence[str], wanted: Sequence[str]) -> Call:
    def run(*given: Tensor) -> tuple[Tensor, ...]:
        values = dict(zip(bottoms, given, strict=True))
        for step in body:
            tops = step.call(*[values[name] for name in step.bottoms])
            values.update(zip(step.tops, tops, strict=False))
        return tuple([values[name] for name in wanted])

    compiled = torch.compile(run, dynamic=False, fullgraph=True)

    def call(*given: Tensor) -> tuple[Tensor, ...]:
        try:
            return compiled(*given)
        except torch._dynamo.exc.TorchDynamoException as error:
            text = "; ".join(str(error).strip().splitlines()[:2])
            what = f"torch cannot compile this net: {text[:300]}"
            raise UsageError(what, where="--compile", hint="Leave it out") from None

    return call


def _read(steps: Sequence[FusedStep]) -> set[str]:
    return {name for step in steps for name in step.bottoms}


def _tops(steps: Sequence[FusedStep]) -> set[str]:
    return {name for step in steps for name in step.tops}
