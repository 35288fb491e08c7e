"""The rate drops at some shares of the run, as the solver's ``multistep`` does at iterations; with
none it stays."""

from __future__ import annotations

from typing import ClassVar

from ssd_data.training.recipe.parts import Share
from ssd_data.training.recipe.schedules._base import Schedule


class Steps(Schedule, frozen=True):
    """The power of ``factor`` by the drops so far.

    Attributes:
        at_shares: of the updates behind the warm-up, where the rate drops.
        factor: what it is multiplied by.
    """

    kind: ClassVar[str] = "steps"
    at_shares: tuple[Share, ...] = ()
    factor: Share = 0.1

    def share(self, done: float) -> float:
        """See :class:`Schedule`."""
        return float(self.factor ** sum(done >= one for one in self.at_shares))


ELEMENT = Steps
