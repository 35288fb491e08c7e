"""Non-maximum suppression of many groups of boxes at once, without a loop over boxes.

The result is the greedy one: a box stays unless a better one of its group that stays overlaps it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ssd_data.engines.torch.boxes import overlap

BLOCK = 256


def suppress(
    boxes: Tensor, valid: Tensor, threshold: float, *, eta: float = 1.0, most: int = -1
) -> Tensor:
    """Which boxes stay, bool (G, K).

    Args:
        boxes: (G, K, 4), each group's by falling score.
        valid: bool (G, K); the others take no part.
        threshold: boxes that overlap a better one by more than this go.
        eta: what the threshold is multiplied by after each box that stays, while it is above 0.5.
        most: how many of a group are wanted; where all have them, the rest counts as gone.
    """
    if eta < 1 and threshold > 0.5:
        groups = zip(boxes, valid, strict=True)
        return torch.stack([_adaptive(b, v, threshold, eta) for b, v in groups])
    stays = torch.zeros_like(valid)
    kept, real = boxes[:, :0], valid[:, :0]  # those that stay, of all groups side by side
    for start in range(0, boxes.shape[1], BLOCK):
        block, free = boxes[:, start : start + BLOCK], valid[:, start : start + BLOCK]
        if start:
            free = free & ~_hit(real, (overlap(kept, block) > threshold).float())
        stays[:, start : start + BLOCK] = _settle(overlap(block, block) > threshold, free)
        kept, real = _first(boxes[:, : start + BLOCK], stays[:, : start + BLOCK])
        wanting = real.sum(1) < most if most >= 0 else torch.ones_like(valid[:, 0])
        if not bool((wanting & valid[:, start + BLOCK :].any(1)).any()):
            break
    return stays


def _settle(over: Tensor, free: Tensor) -> Tensor:
    """The greedy answer within one block, as the fixed point of "no better one that stays".

    Each round settles at least one more link of every chain of overlaps, so it ends; chains are
    short, so it ends soon.
    """
    better = over.float().triu_(1)
    stays = free
    while True:
        now = free & ~_hit(stays, better)
        if torch.equal(now, stays):
            return now
        stays = now


def _hit(stays: Tensor, over: Tensor) -> Tensor:
    """Which of M boxes one of those that stay (G, N) overlaps; ``over`` (G, N, M) is 0 or 1.

    As a product of matrices: far faster than the same of truth values, and exact, since counts are.
    """
    return torch.bmm(stays[:, None].float(), over)[:, 0] > 0


def _first(boxes: Tensor, stays: Tensor) -> tuple[Tensor, Tensor]:
    """Only the boxes that stay, moved to the front; and which places hold one."""
    count = max(int(stays.sum(1).max()), 1)
    order = torch.argsort(stays.to(torch.int8), dim=1, descending=True, stable=True)[:, :count]
    return boxes.gather(1, order[:, :, None].expand(-1, -1, 4)), stays.gather(1, order)


def _adaptive(boxes: Tensor, valid: Tensor, threshold: float, eta: float) -> Tensor:
    """One group, box by box: here each box that stays changes the threshold for the next."""
    overlaps = overlap(boxes, boxes)
    stays = torch.zeros_like(valid)
    for i in torch.nonzero(valid).flatten().tolist():
        if not bool((overlaps[i, :i][stays[:i]] > threshold).any()):
            stays[i] = True
            threshold = threshold * eta if threshold > 0.5 else threshold
    return stays
