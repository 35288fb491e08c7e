"""The rate falls in a straight line, as the solver's ``poly`` with a power of 1 does."""

from __future__ import annotations

from typing import ClassVar

from ssd_data.training.recipe.parts import Share
from ssd_data.training.recipe.schedules._base import Schedule


class Linear(Schedule, frozen=True):
    """1 - (1 - last) · t.

    Attributes:
        last: what the rate ends at, as a share of the greatest.
    """

    kind: ClassVar[str] = "linear"
    last: Share = 0.0

    def share(self, done: float) -> float:
        """See :class:`Schedule`."""
        return 1 - (1 - self.last) * done


ELEMENT = Linear
