"""SimOTA (Z. Ge et al., YOLOX, arXiv:2107.08430, section 2.1): matching by what the net says, each
truth takes as many priors as predict it well."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from ssd_data.training.recipe.matchings._base import MatchingRule
from ssd_data.training.recipe.matchings._places import centres_of, inside, middle, strides_of
from ssd_data.training.recipe.matchings._tables import Bids, greatest, in_parts, table_of
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
        return in_parts(predictions, lambda rows: self._find(predictions, rows))

    def _find(self, p: Predictions, rows: Tensor) -> PriorMatches:
        truth, shape = p.truth.rows(rows), (p.pictures, len(p.priors.boxes))
        boxes, centres = truth.boxes * p.pixels, centres_of(p)
        within = inside(centres, boxes[:, None])
        near = ((centres - middle(boxes)[:, None]).abs() < self.radius * strides_of(p)).all(-1)
        area = (boxes[:, 2:] > boxes[:, :2]).all(1, keepdim=True)  # none is no box to learn
        possible = torch.zeros(shape, device=boxes.device)
        possible.index_add_(0, truth.picture, ((within | near) & area).float())
        open_ = (possible[truth.picture] > 0) & area
        overlaps = table_of(p.boxes, truth) * open_
        cost = class_costs(p, truth.picture, truth.label) - self.boxes * (overlaps + LEAST).log()
        cost = cost.double()  # in single precision NOT_BOTH leaves hundredths of it
        cost = torch.where(within & near, cost, cost + NOT_BOTH).masked_fill_(~open_, torch.inf)
        bids = self._cheapest(cost, overlaps)
        index, _ = bids.settle(rows, truth.picture, shape)
        own = table_of(p.priors.boxes, truth)
        return PriorMatches(index, greatest(own, truth.picture, p.pictures))

    def _cheapest(self, cost: Tensor, overlaps: Tensor) -> Bids:
        """Those that each truth takes."""
        most = min(self.most, overlaps.shape[1])
        count = overlaps.topk(most, 1, sorted=False).values.sum(1, keepdim=True).int().clamp_(min=1)
        found = cost.topk(most, 1, largest=False)
        taken = torch.arange(most, device=cost.device) < count
        return Bids(found.indices, found.values, taken & (found.values < torch.inf))


def class_costs(p: Predictions, picture: Tensor, label: Tensor) -> Tensor:
    """What each prior's scores cost for a truth of a picture and label; (M, P)."""
    scores = p.scores.detach()
    if not p.logistic:
        return -torch.log_softmax(scores, 2)[picture, :, label]
    wrong = functional.softplus(scores[..., p.objects]).sum(2)
    return wrong[picture] - scores[picture, :, label]


ELEMENT = Simota
