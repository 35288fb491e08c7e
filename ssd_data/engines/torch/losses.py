"""The losses' arithmetic, shared by the layers that stand alone and by MultiBoxLoss."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

GREATEST = -torch.log(torch.tensor(torch.finfo(torch.float32).tiny)).item()  # probabilities' floor


def with_value(value: Tensor, path: Tensor) -> Tensor:
    """One tensor's value with another one's gradient."""
    return value.detach() + (path - path.detach())


def softmax_losses(scores: Tensor, labels: Tensor) -> Tensor:
    """-log softmax of each row's label, at most -log FLT_MIN; the gradient is not cut.

    Args:
        scores: float32 (K, C).
        labels: int64 (K,).

    Returns:
        float32 (K,).
    """
    losses = functional.cross_entropy(scores, labels, reduction="none")
    return with_value(losses.clamp(max=GREATEST), losses)


def sigmoid_losses(scores: Tensor, targets: Tensor) -> Tensor:
    """Cross entropy of each score's sigmoid, in a form that does not overflow; scores' shape."""
    return functional.binary_cross_entropy_with_logits(scores, targets, reduction="none")


def smooth_l1(difference: Tensor) -> Tensor:
    """0.5 d² where |d| < 1, else |d| - 0.5."""
    return functional.smooth_l1_loss(difference, torch.zeros_like(difference), reduction="none")


def half_square(difference: Tensor) -> Tensor:
    """0.5 d²."""
    return 0.5 * difference * difference
