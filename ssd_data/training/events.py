"""What a training run tells, whichever engine runs it; no PyTorch here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Displayed:
    """What is shown every ``display`` iterations: the loss before the update, smoothed.

    Attributes:
        outputs: the training net's outputs: name, loss weight, values.
        parts: of a MultiBoxLoss the loss by locations and by confidences, and the matches.
        speed: pictures a second since the last one. waiting: share of time spent on waiting for
            data.
    """

    iteration: int
    loss: float
    rate: float
    outputs: list[tuple[str, float, list[float]]]
    parts: dict[str, float] = field(default_factory=dict)
    speed: float = 0.0
    waiting: float = 0.0


@dataclass(frozen=True, slots=True)
class Stepped:
    """An update was made."""

    iteration: int
    loss: float


@dataclass(frozen=True, slots=True)
class Tested:
    """What a test net gave.

    Attributes:
        iteration: when. net: its index.
        outputs: (name, value) of each: mean AP of a detection net, means of a classifier's outputs.
        per_class: label → AP, of a detection net's first output; shows_classes: whether the solver
            asks for them to be printed.
        loss: mean of its losses, where ``test_compute_loss`` asks for it.
        averaged: whether the weights were the moving average of ``--ema``.
    """

    iteration: int
    net: int
    outputs: list[tuple[str, float]]
    per_class: dict[int, float] = field(default_factory=dict)
    loss: float | None = None
    shows_classes: bool = False
    averaged: bool = False


@dataclass(frozen=True, slots=True)
class Snapshotted:
    """Two files were written, or three: ``average`` with the moving average of the weights."""

    iteration: int
    model: Path
    state: Path
    average: Path | None = None


Event: TypeAlias = Displayed | Stepped | Tested | Snapshotted
Listener: TypeAlias = Callable[[Event], None]
