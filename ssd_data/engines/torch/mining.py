"""Which priors the confidence loss looks at (``MineHardExamples``).

The original sorts with an unstable sort; where losses tie at the cut, it may take other ones than
here, where the lower prior goes first.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ssd_data.engines.torch.boxes import area, overlaps
from ssd_data.engines.torch.losses import sigmoid_losses

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
    return _ranks(losses, eligible) < torch.minimum(count, eligible.sum(1))[:, None]


def greatest_apart(
    losses: Tensor, eligible: Tensor, count: Tensor, boxes: Tensor, threshold: float, top_k: int
) -> Tensor:
    """As :func:`greatest`, but none that overlaps one of a greater loss by more than ``threshold``.

    Args:
        boxes: float32 (P, 4) or (N, P, 4).
        top_k: so many of the greatest take part, and so many are taken at most; -1 for all.
    """
    boxes = boxes.expand(*losses.shape, 4)
    free = eligible & (area(boxes).double() >= LEAST_AREA)
    if top_k >= 0:
        free &= _ranks(losses, eligible) < top_k
        count = count.clamp(max=top_k)
    chosen = torch.zeros_like(eligible)
    picture = torch.arange(len(losses), device=losses.device)
    order = losses.masked_fill(~free, -torch.inf)
    for turn in range(int(count.max()) if len(count) else 0):
        best = order.argmax(1)
        takes = free[picture, best] & (count > turn)
        if not takes.any():
            break
        chosen[picture, best] |= takes
        near = overlaps(boxes[picture, best][:, None], boxes) > threshold
        near[picture, best] = True
        free &= ~near
        order.masked_fill_(near, -torch.inf)
    return chosen


def _ranks(losses: Tensor, eligible: Tensor) -> Tensor:
    """Each prior's place among its picture's by falling loss, the eligible ones first."""
    least_last = losses.masked_fill(~eligible, -torch.inf)
    order = least_last.argsort(dim=1, descending=True, stable=True)
    places = torch.arange(losses.shape[1], device=losses.device).expand(losses.shape)
    return torch.empty_like(order).scatter_(1, order, places)
