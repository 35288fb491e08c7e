"""Tables of truths and priors, and what each picture's truths are left with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ssd_data.core.errors import InputError
from ssd_data.engines.torch.boxes import overlap
from ssd_data.engines.torch.matching import MOST_PAIRS, UNMATCHED, GroundTruth
from ssd_data.training.recipe.pairs import Predictions, PriorMatches


def table_of(boxes: Tensor, truth: GroundTruth) -> Tensor:
    """Overlaps (M, P) of truths with boxes, (P, 4) or each picture's own, (N, P, 4)."""
    own = boxes[truth.picture] if boxes.dim() == 3 else boxes
    return overlap(truth.boxes[:, None], own).squeeze(1)


def in_parts(predictions: Predictions, find: Callable[[Tensor], PriorMatches]) -> PriorMatches:
    """What ``find`` gives of rows of the truth, all at once where a table holds them, else picture
    by picture; nothing where there is no truth.

    Args:
        find: of rows int64 (K,), all of their pictures, the matches of all N pictures.

    Raises:
        InputError: one picture has more truths than a table can hold.
    """
    truth, priors = predictions.truth, len(predictions.priors.boxes)
    rows = torch.arange(len(truth), device=truth.picture.device)
    if 0 < len(truth) * priors <= MOST_PAIRS:
        return find(rows)
    found = PriorMatches(
        torch.full((predictions.pictures, priors), UNMATCHED, device=rows.device),
        torch.zeros(predictions.pictures, priors, device=rows.device),
    )
    for picture in sorted(set(truth.picture.tolist())):
        own = rows[truth.picture == picture]
        if len(own) * priors > MOST_PAIRS:
            text = f"{len(own):,} boxes in one picture are too many for {priors:,} priors"
            raise InputError(text, hint="Leave such pictures out, or merge their boxes")
        part = find(own)
        found.index[picture], found.overlap[picture] = part.index[picture], part.overlap[picture]
    return found


@dataclass(frozen=True, slots=True)
class Bids:
    """What truths would take: of each truth K priors.

    Attributes:
        prior: int64 (M, K). cost: float32 (M, K); the truth of the least gets a prior, of equal
            ones the first. good: bool (M, K), which of them count.
    """

    prior: Tensor
    cost: Tensor
    good: Tensor

    def settle(
        self, rows: Tensor, picture: Tensor, shape: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """Who gets what.

        Args:
            rows: int64 (M,), of the truth. picture: int64 (M,), of each row.
            shape: pictures and priors.

        Returns:
            for each prior of each picture the row of its truth or UNMATCHED, int64 (N, P); and
            which of the rows got any, bool (M,).
        """
        place = (picture[:, None] * shape[1] + self.prior).flatten()
        cost = self.cost.masked_fill(~self.good, torch.inf).flatten()
        least = cost.new_full((shape[0] * shape[1],), torch.inf)
        least.scatter_reduce_(0, place, cost, "amin")
        number = torch.arange(len(rows), device=rows.device)[:, None].expand(self.prior.shape)
        wins = (cost == least[place]) & self.good.flatten()
        bid = torch.where(wins, number.flatten(), len(rows))
        first = torch.full_like(least, len(rows), dtype=torch.int64)
        first.scatter_reduce_(0, place, bid, "amin")
        got = (first[place] == bid).view_as(self.good) & self.good
        named = torch.cat([rows, rows.new_full((1,), UNMATCHED)])
        return named[first].view(shape), got.any(1)


def greatest(table: Tensor, picture: Tensor, pictures: int) -> Tensor:
    """For each box of each picture its greatest overlap, 0 where there is no truth; (N, P)."""
    where = picture[:, None].expand(table.shape)
    return table.new_zeros(pictures, table.shape[1]).scatter_reduce_(0, where, table, "amax")
