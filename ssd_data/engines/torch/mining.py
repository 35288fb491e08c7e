"""Which priors the confidence loss looks at (``MineHardExamples``).

The original sorts with an unstable sort; where losses tie at the cut, it may take other ones than
here, where the lower prior goes first.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ssd_data.engines.torch.boxes import area
from ssd_data.engines.torch.loss import sigmoid_losses
from ssd_data.engines.torch.nms import suppress

LEAST_AREA = 1e-5  # smaller boxes take no part in the suppression


def confidence_losses(scores: Tensor, labels: Tensor, logistic: bool) -> Tensor:
    """The loss of each prior for its label; float32 (N, P), no gradient.

    Args:
        scores: float32 (N, P, C).
        labels: int64 (N, P).
        logistic: a sigmoid for each class instead of a softmax over them.
    """
    if logistic:
        one_hot = torch.zeros_like(scores).scatter_(2, labels[..., None], 1)
        return sigmoid_losses(scores, one_hot).sum(2)
    chosen = torch.softmax(scores, 2).gather(2, labels[..., None]).squeeze(2)
    return -chosen.clamp(min=torch.finfo(torch.float32).tiny).log()


def greatest(losses: Tensor, eligible: Tensor, count: Tensor) -> Tensor:
    """The eligible priors of the greatest losses.

    Args:
        losses: float32 (N, P).
        eligible: bool (N, P).
        count: int64 (N,), how many of each picture at most.

    Returns:
        bool (N, P).
    """
    order = _by_loss(losses, eligible)
    taken = torch.arange(losses.shape[1], device=losses.device) < torch.minimum(
        count, eligible.sum(1)
    ).unsqueeze(1)
    return torch.empty_like(eligible).scatter_(1, order, taken)


def greatest_apart(
    losses: Tensor, eligible: Tensor, count: Tensor, boxes: Tensor, threshold: float, top_k: int
) -> Tensor:
    """As :func:`greatest`, but none that overlaps one of a greater loss by more than ``threshold``.

    Args:
        boxes: float32 (P, 4) or (N, P, 4).
        top_k: so many of the greatest take part; -1 for all.
    """
    order = _by_loss(losses, eligible)
    boxes = boxes.expand(*losses.shape, 4).gather(1, order[..., None].expand(-1, -1, 4))
    free = eligible.gather(1, order) & (area(boxes).double() >= LEAST_AREA)
    if top_k >= 0:
        free[:, top_k:] = False
    stays = suppress(boxes, free, threshold, most=int(count.max()))
    stays &= stays.cumsum(1) <= count[:, None]
    return torch.empty_like(eligible).scatter_(1, order, stays)


def _by_loss(losses: Tensor, eligible: Tensor) -> Tensor:
    """Each picture's priors by falling loss, the eligible ones first; int64 (N, P)."""
    eligible_first = losses.masked_fill(~eligible, -torch.inf)
    return eligible_first.argsort(dim=1, descending=True, stable=True)
