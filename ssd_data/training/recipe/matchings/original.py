"""The net's own matching, by overlap (``match_type``, ``overlap_threshold``)."""

from __future__ import annotations

from typing import ClassVar

from ssd_data.training.recipe.matchings._base import MatchingRule
from ssd_data.training.recipe.pairs import Predictions, PriorMatches


class OriginalMatching(MatchingRule, frozen=True):
    """As the net's prototxt says."""

    kind: ClassVar[str] = "original"
    by_priors: ClassVar[bool] = True

    def match(self, predictions: Predictions) -> PriorMatches:
        """See :class:`MatchingRule`."""
        p = predictions
        index, overlap = p.layer.match_priors(p.offsets[:, :, None], p.priors, p.truth)
        return PriorMatches(index[..., 0], overlap)


ELEMENT = OriginalMatching
