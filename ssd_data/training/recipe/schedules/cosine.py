"""The rate falls as half a cosine (I. Loshchilov, F. Hutter, SGDR, arXiv:1608.03983, without
restarts)."""

from __future__ import annotations

import math
from typing import ClassVar

from ssd_data.training.recipe.parts import Share
from ssd_data.training.recipe.schedules._base import Schedule


class Cosine(Schedule, frozen=True):
    """last + (1 - last) · (1 + cos(π · t)) / 2.

    Attributes:
        hold: the share of the updates, at the beginning, with the full rate; t counts behind it.
        last: what the rate ends at, as a share of the greatest.

    >>> [round(Cosine().share(done), 3) for done in (0, 0.5, 1)]
    [1.0, 0.5, 0.0]
    """

    kind: ClassVar[str] = "cosine"
    hold: Share = 0.0
    last: Share = 0.0

    def share(self, done: float) -> float:
        """See :class:`Schedule`."""
        if done <= self.hold:
            return 1.0
        t = (done - self.hold) / (1 - self.hold)
        return self.last + (1 - self.last) * (1 + math.cos(math.pi * t)) / 2


ELEMENT = Cosine
