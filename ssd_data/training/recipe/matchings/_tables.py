"""Tables of truths and priors, and what each picture's truths are left with."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ssd_data.core.errors import InputError
from ssd_data.engines.torch.boxes import overlap
from ssd_data.engines.torch.matching import MOST_PAIRS, UNMATCHED, GroundTruth, best_truth
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


def best_of(values: Tensor, rows: Tensor, picture: Tensor, pictures: int) -> Tensor:
    """For each prior of each picture the row of the truth of its greatest value, UNMATCHED where
    none is above 0; int64 (N, P). Of equal ones the first counts.

    Args:
        values: (M, P). rows: int64 (M,), of the truth. picture: int64 (M,), of each row.
    """
    best, place = best_truth(values, picture, pictures)
    return torch.where(best > 0, rows[place.clamp(max=len(rows) - 1)], UNMATCHED)
