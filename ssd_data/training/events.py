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
    """

    iteration: int
    loss: float
    rate: float
    outputs: list[tuple[str, float, list[float]]]


@dataclass(frozen=True, slots=True)
class Tested:
    """What a test net gave.

    Attributes:
        iteration: when. net: its index.
        outputs: (name, value) of each: mean AP of a detection net, means of a classifier's outputs.
        per_class: label → AP, of a detection net's first output.
        loss: mean of its losses, where ``test_compute_loss`` asks for it.
    """

    iteration: int
    net: int
    outputs: list[tuple[str, float]]
    per_class: dict[int, float] = field(default_factory=dict)
    loss: float | None = None


@dataclass(frozen=True, slots=True)
class Snapshotted:
    """Two files were written."""

    iteration: int
    model: Path
    state: Path


Event: TypeAlias = Displayed | Tested | Snapshotted
Listener: TypeAlias = Callable[[Event], None]
