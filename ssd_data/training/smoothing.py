"""The loss as it is displayed: the mean of the last ones, moved as the original moves it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class SmoothedLoss:
    """The mean over the last ``window`` iterations (``UpdateSmoothedLoss`` in ``solver.cpp``).

    Attributes:
        window: ``average_loss``. value: the mean. losses: those in it.
        first: the iteration that it began in.

    >>> smoothed = SmoothedLoss(2)
    >>> [smoothed.add(i, loss) for i, loss in enumerate([4.0, 2.0, 8.0])]
    [4.0, 3.0, 5.0]
    """

    window: int
    value: float = 0.0
    losses: list[float] = field(default_factory=list)
    first: int = 0

    def add(self, iteration: int, loss: float) -> float:
        """Take an iteration's loss in; the new mean."""
        losses = self.losses
        if len(losses) < self.window:
            losses.append(loss)
            self.value = (self.value * (len(losses) - 1) + loss) / len(losses)
        else:
            place = (iteration - self.first) % self.window
            self.value += (loss - losses[place]) / self.window
            losses[place] = loss
        return self.value

    def kept(self) -> dict[str, object]:
        """What a snapshot's resume state keeps of it."""
        return {"value": self.value, "losses": self.losses, "first": self.first}


def smoothed_again(window: int, kept: Mapping[str, Any] | None) -> SmoothedLoss | None:
    """What :meth:`SmoothedLoss.kept` gave; None where there is none, or of another window."""
    if not kept or not 0 < len(kept["losses"]) <= window:
        return None
    return SmoothedLoss(window, kept["value"], list(kept["losses"]), kept["first"])


def is_smoothed(kept: object) -> bool:
    """Whether a resume state's entry is one that :meth:`SmoothedLoss.kept` gave."""
    if not isinstance(kept, dict) or kept.keys() != {"value", "losses", "first"}:
        return False
    losses, first = kept["losses"], kept["first"]
    return (
        isinstance(losses, list)
        and type(first) is int
        and 0 <= first < 1 << 31
        and all(isinstance(n, float) and math.isfinite(n) for n in (kept["value"], *losses))
    )
