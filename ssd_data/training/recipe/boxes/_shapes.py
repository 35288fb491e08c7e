"""MatchedPairs of boxes, K of each: what they share, and the box around both."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

LEAST = 1e-7  # what divides is never less


@dataclass(frozen=True, slots=True)
class Shapes2:
    """All float32 (K,), of boxes (K, 4).

    Attributes:
        iou: Jaccard overlap. union: area of both together.
        around: width and height of the smallest box around both, (K, 2).
        apart: the squared distance of their centres. sizes: of both boxes, (K, 2).
    """

    iou: Tensor
    union: Tensor
    around: Tensor
    apart: Tensor
    sizes: tuple[Tensor, Tensor]


def shapes_of(given: Tensor, wanted: Tensor) -> Shapes2:
    """What two rows of boxes (K, 4) have in common; an inverted box has no area."""
    shared = torch.minimum(given[:, 2:], wanted[:, 2:]) - torch.maximum(given[:, :2], wanted[:, :2])
    common = shared.clamp(min=0).prod(1)
    sizes = tuple((box[:, 2:] - box[:, :2]).clamp(min=0) for box in (given, wanted))
    union = sizes[0].prod(1) + sizes[1].prod(1) - common
    around = torch.maximum(given[:, 2:], wanted[:, 2:]) - torch.minimum(given[:, :2], wanted[:, :2])
    centres = [box[:, :2] + box[:, 2:] for box in (given, wanted)]
    apart = ((centres[0] - centres[1]) / 2).square().sum(1)
    return Shapes2(common / union.clamp(min=LEAST), union, around, apart, (sizes[0], sizes[1]))
