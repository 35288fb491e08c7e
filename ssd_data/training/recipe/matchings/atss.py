"""ATSS (S. Zhang et al., Bridging the Gap Between Anchor-based and Anchor-free Detection via
Adaptive Training Sample Selection, arXiv:1912.02424): each truth has a threshold of its own."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from ssd_data.engines.torch.matching import UNMATCHED, best_truth, bipartite
from ssd_data.training.recipe.matchings._base import MatchingRule
from ssd_data.training.recipe.matchings._places import Level, all_centres, inside, levels_of
from ssd_data.training.recipe.matchings._tables import best_of, in_parts, table_of
from ssd_data.training.recipe.pairs import Predictions, PriorMatches
from ssd_data.training.recipe.parts import Number

EXACT = "donot_use_mm_for_euclid_dist"  # which rounds by tenths of a pixel


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
        levels = levels_of(predictions)
        return in_parts(predictions, lambda rows: self._find(predictions, rows, levels))

    def _find(self, p: Predictions, rows: Tensor, levels: list[Level]) -> PriorMatches:
        truth = p.truth.rows(rows)
        boxes, table = truth.boxes * p.pixels, table_of(p.priors.boxes, truth)
        chosen = self._candidates(boxes, levels)
        count = chosen.sum(1)
        mean = table.mul(chosen).sum(1) / count
        spread = (table - mean[:, None]).square().mul(chosen).sum(1) / (count - 1).clamp(min=1)
        threshold = mean + spread.sqrt()
        good = chosen & (table >= threshold[:, None]) & inside(all_centres(levels), boxes)
        index = best_of(table * good, rows, truth.picture, p.pictures)
        if self.at_least_one:
            own = (index[truth.picture] == rows[:, None]).any(1)
            left = (~own).nonzero().squeeze(1)
            picture = truth.picture[left]
            free = table[left].masked_fill(index[picture] != UNMATCHED, 0)
            which, prior = bipartite(free, picture)
            index[picture[which], prior] = rows[left[which]]
        return PriorMatches(index, best_truth(table, truth.picture, p.pictures)[0])

    def _candidates(self, boxes: Tensor, levels: list[Level]) -> Tensor:
        """The candidates of each truth; bool (M, P)."""
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        found = []
        for level in levels:
            far = torch.cdist(centres, level.centres, compute_mode=EXACT)
            count = min(self.candidates * level.each, far.shape[1])
            near = far.topk(count, 1, largest=False).indices
            found.append(torch.zeros_like(far, dtype=torch.bool).scatter_(1, near, True))
        return torch.cat(found, 1)


ELEMENT = Atss
