"""SimOTA (Z. Ge et al., YOLOX, arXiv:2107.08430, section 2.1): matching by what the net says, each
truth takes as many priors as predict it well."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from ssd_data.engines.torch.matching import best_truth
from ssd_data.training.recipe.matchings._base import MatchingRule
from ssd_data.training.recipe.matchings._places import Level, all_centres, inside, levels_of
from ssd_data.training.recipe.matchings._tables import best_of, in_parts, table_of
from ssd_data.training.recipe.pairs import Predictions, PriorMatches
from ssd_data.training.recipe.parts import AtLeast0, Number, Positive

LEAST = 1e-8  # of an overlap whose logarithm is taken
NOT_BOTH = 1e5  # what a prior costs that is not both inside of a truth and near its centre


class Simota(MatchingRule, frozen=True):
    """A prior can be a truth's whose centre lies inside of any truth, or near any's centre. What it
    costs is the loss of its scores for the truth's class, plus ``boxes`` times -log of the overlap
    of its predicted box. A truth takes the cheapest ones, as many as the sum of its ``most``
    greatest overlaps comes to (cut to a whole number), at least one; a prior that several take is
    that one's for which it costs least.

    Attributes:
        radius: strides of its map from a truth's centre that are near.
    """

    kind: ClassVar[str] = "simota"
    radius: Positive = 2.5
    most: Number = 10
    boxes: AtLeast0 = 3.0

    def match(self, predictions: Predictions) -> PriorMatches:
        """See :class:`MatchingRule`."""
        levels = levels_of(predictions)
        return in_parts(predictions, lambda rows: self._find(predictions, rows, levels))

    def _find(self, p: Predictions, rows: Tensor, levels: list[Level]) -> PriorMatches:
        truth = p.truth.rows(rows)
        boxes = truth.boxes * p.pixels
        area = (boxes[:, 2:] > boxes[:, :2]).all(1)[:, None]  # none is no box to learn
        within, near = inside(all_centres(levels), boxes) & area, self._near(boxes, levels) & area
        possible = torch.zeros(p.pictures, within.shape[1], device=boxes.device)
        possible.index_add_(0, truth.picture, (within | near).float())
        open_ = (possible[truth.picture] > 0) & area
        overlaps = table_of(p.boxes, truth) * open_
        cost = class_costs(p, truth.picture, truth.label) - self.boxes * (overlaps + LEAST).log()
        cost = cost + NOT_BOTH * ~(within & near)
        cost = cost.masked_fill(~open_, torch.inf)
        taken = self._cheapest(cost, overlaps) & open_
        # The cheapest truth of each prior: the greatest of what falls with the cost, above 0.
        rank = torch.where(taken, -cost, -torch.inf)
        best = _greatest(rank, truth.picture, p.pictures)
        wins = taken & (rank == best[truth.picture])
        index = best_of(wins.float(), rows, truth.picture, p.pictures)
        own = table_of(p.priors.boxes, truth)
        return PriorMatches(index, best_truth(own, truth.picture, p.pictures)[0])

    def _near(self, boxes: Tensor, levels: list[Level]) -> Tensor:
        """Which priors stand near the centre of which truth; bool (M, P)."""
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        found = []
        for level in levels:
            reach = self.radius * torch.tensor(level.stride, device=boxes.device)
            found.append(inside(level.centres, torch.cat([centres - reach, centres + reach], 1)))
        return torch.cat(found, 1)

    def _cheapest(self, cost: Tensor, overlaps: Tensor) -> Tensor:
        """Those that each truth takes; bool (M, P)."""
        most = min(self.most, overlaps.shape[1])
        count = overlaps.topk(most, 1).values.sum(1).int().clamp(min=1)
        order = cost.argsort(dim=1, stable=True)
        taken = torch.arange(cost.shape[1], device=cost.device) < count[:, None]
        return torch.zeros_like(taken).scatter_(1, order, taken)


def class_costs(p: Predictions, picture: Tensor, label: Tensor) -> Tensor:
    """What each prior's scores cost for a truth of a picture and label; (M, P)."""
    scores = p.scores.detach()
    if not p.logistic:
        return -torch.log_softmax(scores, 2)[picture, :, label]
    wrong = functional.softplus(scores[..., p.objects]).sum(2)
    return wrong[picture] - scores[picture, :, label]


def _greatest(values: Tensor, picture: Tensor, pictures: int) -> Tensor:
    """For each prior of each picture its greatest value, -inf where there is none; (N, P)."""
    where = picture[:, None].expand(values.shape)
    start = values.new_full((pictures, values.shape[1]), -torch.inf)
    return start.scatter_reduce(0, where, values, "amax")


ELEMENT = Simota
