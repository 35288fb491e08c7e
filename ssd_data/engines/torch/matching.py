"""Which prior is whose: the matching of boxes and ground truth (``MatchBBox``, ``FindMatches``).

Truths of all pictures lie in one table, so that a crowded picture costs no other one anything.
Ties fall as in the original, which walks through priors, then truths: to the lower prior, then to
the earlier truth.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ssd_data.core.errors import InputError
from ssd_data.core.pairing import pair_greedily
from ssd_data.engines.torch.boxes import outside, overlap

UNMATCHED = -1
IGNORED = -2
LEAST_OVERLAP = 1e-6  # what is not above it is no overlap
COMPENSATION_OVERLAP = 0.1  # what is not above it is no candidate of the second stage
ROUNDS, MOST_MATES = 16, 1 << 11  # truths that are compared with one another in each round
MOST_PAIRS = 1 << 27  # of a picture's truths and boxes


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """The ground truth of a batch.

    Attributes:
        picture: int64 (M,), index of the picture in the batch.
        label: int64 (M,). boxes: float32 (M, 4), fractions.
    """

    picture: Tensor
    label: Tensor
    boxes: Tensor

    def __len__(self) -> int:
        return len(self.picture)

    def rows(self, which: Tensor) -> GroundTruth:
        """Those of the given indices."""
        return GroundTruth(self.picture[which], self.label[which], self.boxes[which])


def match(
    boxes: Tensor,
    truth: GroundTruth,
    pictures: int,
    *,
    threshold: float | None = None,
    ignore_outside: bool = False,
    compensates: bool = False,
) -> tuple[Tensor, Tensor]:
    """Match every picture's boxes with its truths.

    First each truth takes the free box that overlaps it most, the greatest overlap first; then, if
    there is a ``threshold``, each free box takes the truth that it overlaps most, at least so much.

    Args:
        boxes: float32 (P, 4), the same for all pictures, or (N, P, 4).
        truth: in any order.
        pictures: N.
        threshold: None is BIPARTITE, else PER_PREDICTION.
        ignore_outside: boxes that leave the picture match nothing and are no negatives.
        compensates: whether a second stage follows, see :func:`compensate`.

    Returns:
        index: int64 (N, P), a row of ``truth``, or UNMATCHED, or IGNORED.
        overlap: float32 (N, P), the greatest overlap with any truth.

    Raises:
        InputError: a picture, or with ``compensates`` a batch, has more truths than a table can
            hold.
    """
    shape = (pictures, boxes.shape[-2])
    if len(truth) * shape[1] > MOST_PAIRS:
        _require_few(truth, shape[1], compensates)
        return _match_apart(boxes, truth, pictures, threshold, ignore_outside)
    index = torch.full(shape, UNMATCHED, device=boxes.device)
    if not len(truth):
        return index, boxes.new_zeros(shape)
    own = boxes[truth.picture] if boxes.dim() == 3 else boxes
    table = overlap(truth.boxes[:, None], own).squeeze(1)
    table.masked_fill_(table <= LEAST_OVERLAP, 0)
    if ignore_outside:
        left_out = outside(own).any(-1).expand(table.shape)
        table.masked_fill_(left_out, 0)
        index[truth.picture] = torch.where(left_out, IGNORED, UNMATCHED)
    rows, taken = bipartite(table, truth.picture)
    index[truth.picture[rows], taken] = rows
    best, row = best_truth(table, truth.picture, pictures)
    if threshold is not None:
        free = (index == UNMATCHED) & (best > 0) & (best >= threshold)
        index = torch.where(free, row, index)
    if compensates:
        index = compensate(index, table, truth.picture)
    return index, best


def _require_few(truth: GroundTruth, boxes: int, together: bool) -> None:
    most = len(truth) if together else int(truth.picture.bincount().max())
    if most * boxes > MOST_PAIRS:
        where = "batch" if together else "picture"
        text = f"{most:,} boxes in one {where} are too many for {boxes:,} priors"
        raise InputError(text, hint="Leave such pictures out, or merge their boxes")


def _match_apart(
    boxes: Tensor, truth: GroundTruth, pictures: int, threshold: float | None, ignore_outside: bool
) -> tuple[Tensor, Tensor]:
    """The same, a picture at a time: the truths of all are too many for one table."""
    index = torch.full((pictures, boxes.shape[-2]), UNMATCHED, device=boxes.device)
    best = boxes.new_zeros(index.shape)
    for picture in range(pictures):
        rows = (truth.picture == picture).nonzero().squeeze(1)
        if not len(rows):
            continue
        own = truth.rows(rows)
        alone = GroundTruth(torch.zeros_like(own.picture), own.label, own.boxes)
        found, best[picture] = (
            part[0]
            for part in match(
                boxes[picture] if boxes.dim() == 3 else boxes,
                alone, 1, threshold=threshold, ignore_outside=ignore_outside,
            )
        )  # fmt: skip
        index[picture] = torch.where(found >= 0, rows[found.clamp(min=0)], found)
    return index, best


def bipartite(table: Tensor, picture: Tensor) -> tuple[Tensor, Tensor]:
    """Pairs of truths and boxes, the greatest overlap first, each in one pair at most.

    A pair whose overlap is the greatest both of its truth and of its box will be taken whatever
    else is, so all such pairs are taken at once; a few rounds do instead of one for each truth. Of
    truths that are alike each round takes one: what a few rounds leave is sorted.

    Args:
        table: float32 (M, P), overlaps of truths and boxes, 0 where they cannot pair.
        picture: int64 (M,), of each truth; truths of one picture contend for its boxes.

    Returns:
        rows and boxes of the pairs, each int64 (K,).
    """
    waiting = torch.arange(len(table), device=table.device)
    left = table.clone()
    rows, boxes = [waiting[:0]], [waiting[:0]]
    for _ in range(ROUNDS if len(waiting) <= MOST_MATES else 0):
        if not len(waiting):
            break
        value, box = left.max(1)
        rivals = left[:, box]
        mates = picture[waiting][:, None] == picture[waiting]
        earlier = waiting[:, None] < waiting
        beaten = mates & ((rivals > value) | ((rivals == value) & earlier))
        wins = (value > 0) & ~beaten.any(0)
        rows.append(waiting[wins])
        boxes.append(box[wins])
        mate, winner = mates[:, wins].nonzero(as_tuple=True)
        left[mate, boxes[-1][winner]] = 0
        still = (value > 0) & ~wins
        waiting, left = waiting[still], left[still]
    if len(waiting):
        of = picture[waiting].cpu().numpy()
        pairs = pair_greedily(left.cpu().numpy(), of, 0)
        more, last = (torch.from_numpy(part).to(table.device) for part in pairs)
        rows.append(waiting[more])
        boxes.append(last)
    return torch.cat(rows), torch.cat(boxes)


def compensate(index: Tensor, table: Tensor, picture: Tensor) -> Tensor:
    """More boxes for truths that have few: SFD's second stage (arXiv:1708.05237, section 3.2).

    N is the average number of boxes that the batch's truths have, rounded. A truth that has fewer
    takes free boxes that overlap it by more than 0.1, the greatest overlap first, until it has N.
    Of truths that want the same box the one that it overlaps most gets it, and the others have one
    less.

    Args:
        index: int64 (N, P), what the first stage gave, see :func:`match`.
        table: float32 (M, P), overlaps of truths and boxes.
        picture: int64 (M,), of each truth.

    Returns:
        int64 (N, P), the same with more matches.
    """
    own = index[picture]
    count = (own == torch.arange(len(table), device=table.device)[:, None]).sum(1)
    missing = count.sum().div(len(table)).round().long() - count
    poor = (missing > 0).nonzero().squeeze(1)
    if not len(poor):
        return index
    missing = missing[poor, None]
    candidates = (own[poor] == UNMATCHED) & (table[poor] > COMPENSATION_OVERLAP)
    values = table[poor].masked_fill(~candidates, 0)
    last = values.topk(int(missing.max()), 1).values.gather(1, missing - 1)
    above, ties = values > last, candidates & (values == last)
    taken = above | (ties & (ties.cumsum(1) <= missing - above.sum(1, keepdim=True)))
    best, row = best_truth(values.masked_fill(~taken, 0), picture[poor], len(index))
    return torch.where(best > 0, poor[row.clamp(max=len(poor) - 1)], index)


def best_truth(table: Tensor, picture: Tensor, pictures: int) -> tuple[Tensor, Tensor]:
    """For each box of each picture (N, P) its greatest overlap, and the first truth that has it."""
    where = picture[:, None].expand(table.shape)
    best = table.new_zeros(pictures, table.shape[1]).scatter_reduce(0, where, table, "amax")
    rows = torch.arange(len(table), device=table.device)[:, None]
    candidates = torch.where(table == best[picture], rows, len(table))
    row = torch.full(best.shape, len(table), device=table.device)
    return best, row.scatter_reduce(0, where, candidates, "amin")
