"""The rate rises, then falls far below where it began (L. N. Smith, N. Topin, Super-Convergence,
arXiv:1708.07120; with half cosines as torch's OneCycleLR)."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

import msgspec

from ssd_data.training.recipe.parts import Share
from ssd_data.training.recipe.schedules._base import Schedule

Divisor = Annotated[float, msgspec.Meta(ge=1, le=1e9)]


class OneCycle(Schedule, frozen=True):
    """From 1 / begin up to 1, then down to 1 / end, by half a cosine each.

    Attributes:
        rise: the share of the updates in which it rises.
        begin, end: what the greatest rate is divided by.
    """

    kind: ClassVar[str] = "one_cycle"
    rise: Share = 0.3
    begin: Divisor = 25.0
    end: Divisor = 250_000.0

    def share(self, done: float) -> float:
        """See :class:`Schedule`."""
        if done < self.rise:
            return _between(1 / self.begin, 1.0, done / self.rise)
        fallen = (done - self.rise) / (1 - self.rise) if self.rise < 1 else 1.0
        return _between(1.0, 1 / self.end, fallen)


def _between(first: float, last: float, t: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * t)) / 2


ELEMENT = OneCycle
