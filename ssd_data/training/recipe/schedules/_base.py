"""What a schedule is."""

from __future__ import annotations

from typing import ClassVar

from ssd_data.training.recipe.parts import Count, Positive, RecipePart, Share


class Schedule(RecipePart, frozen=True):
    """The learning rate of each update, in the place of the solver's ``lr_policy``.

    Attributes:
        kind: the element's name.
        rate: the greatest one; None for the solver's ``base_lr``.
        warm_up: so many updates come to it in a straight line, from ``warm_up_from`` of it on.
    """

    kind: ClassVar[str] = ""
    rate: Positive | None = None
    warm_up: Count = 0
    warm_up_from: Share = 0.0

    def at(self, iteration: int, most: int, base: float) -> float:
        """The rate of an update.

        Args:
            iteration: of the update, from 0. most: ``max_iter``. base: ``base_lr``.
        """
        rate = base if self.rate is None else self.rate
        if iteration < self.warm_up:
            risen = (iteration + 1) / self.warm_up
            return rate * (self.warm_up_from + (1 - self.warm_up_from) * risen)
        left = max(most - self.warm_up, 1)
        return rate * self.share(min((iteration - self.warm_up) / left, 1.0))

    def share(self, done: float) -> float:
        """The share of the greatest rate, when ``done`` (0 … 1) of the updates behind the warm-up
        are made."""
        raise NotImplementedError
