"""ATSS (S. Zhang et al., Bridging the Gap Between Anchor-based and Anchor-free Detection via
Adaptive Training Sample Selection, arXiv:1912.02424): each truth has a threshold of its own."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from ssd_data.engines.torch.matching import UNMATCHED, bipartite
from ssd_data.training.recipe.matchings._base import MatchingRule
from ssd_data.training.recipe.matchings._places import (
    Level,
    centres_of,
    inside,
    levels_of,
    middle,
)
from ssd_data.training.recipe.matchings._tables import Bids, greatest, in_parts, table_of
from ssd_data.training.recipe.pairs import Predictions, PriorMatches
from ssd_data.training.recipe.parts import Number


class Atss(MatchingRule, frozen=True):
    """Of each feature map the priors at the places nearest to a truth's centre are its candidates.
    Those that overlap it by at least the mean of the candidates' overlaps plus their standard
    deviation, and whose centre lies inside, are its own; one that is several truths' is that one's
    which it overlaps most.

    Attributes:
        candidates: how many places of each map.
        at_least_one: a truth that is left with none takes the free prior that overlaps it most, as
            the original's first stage does it. Not the paper's.
    """

    kind: ClassVar[str] = "atss"
    candidates: Number = 9
    at_least_one: bool = True

    def match(self, predictions: Predictions) -> PriorMatches:
        """See :class:`MatchingRule`."""
        return in_parts(predictions, lambda rows: self._find(predictions, rows))

    def _find(self, p: Predictions, rows: Tensor) -> PriorMatches:
        truth, shape = p.truth.rows(rows), (p.pictures, len(p.priors.boxes))
        boxes, table, centres = (
            truth.boxes * p.pixels,
            table_of(p.priors.boxes, truth),
            centres_of(p),
        )
        near = self._candidates(middle(boxes), centres, levels_of(p))
        overlap = table.gather(1, near)
        spread, mean = torch.var_mean(
            overlap, 1, correction=min(near.shape[1] - 1, 1), keepdim=True
        )
        good = (overlap >= mean + spread.sqrt()) & (overlap > 0)
        good &= inside(centres[near], boxes[:, None])
        index, got = Bids(near, -overlap, good).settle(rows, truth.picture, shape)
        left = (~got).nonzero().squeeze(1) if self.at_least_one else rows[:0]
        if len(left):
            picture = truth.picture[left]
            free = table[left].masked_fill(index[picture] != UNMATCHED, 0)
            which, prior = bipartite(free, picture)
            index[picture[which], prior] = rows[left[which]]
        return PriorMatches(index, greatest(table, truth.picture, p.pictures))

    def _candidates(self, points: Tensor, centres: Tensor, levels: list[Level]) -> Tensor:
        """The candidates of each truth, by their numbers; int64 (M, K)."""
        x, y = (points[:, side, None] - centres[:, side] for side in (0, 1))
        far, found = (x * x).addcmul_(y, y), []
        for level in levels:
            count = min(self.candidates * level.each, level.last - level.first)
            own = far[:, level.first : level.last].topk(count, 1, largest=False, sorted=False)
            found.append(own.indices + level.first)
        return torch.cat(found, 1)


ELEMENT = Atss
