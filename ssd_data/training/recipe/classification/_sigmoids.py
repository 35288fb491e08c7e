"""What losses of one sigmoid a class have in common."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ssd_data.training.recipe.pairs import Predictions, PriorMatches


def one_hot(predictions: Predictions, matches: PriorMatches) -> Tensor:
    """Of each prior and class that is no background 1 for its truth's, else 0; (N, P, classes - 1).

    DetectionOutput reads no score of the background; so none is learned.
    """
    labels = predictions.labels(matches.index)
    return (labels[..., None] == predictions.objects).float()


def qualities(predictions: Predictions, matches: PriorMatches) -> Tensor:
    """As :func:`one_hot`, but where it has 1, the overlap of the predicted box with its truth."""
    p = predictions
    picture, prior = (matches.index >= 0).nonzero(as_tuple=True)
    row = matches.index[picture, prior]
    overlap = overlaps_of(p.boxes[picture, prior], p.truth.boxes[row])
    found = torch.zeros_like(matches.overlap).index_put_((picture, prior), overlap)
    return one_hot(p, matches) * found[..., None]


def overlaps_of(given: Tensor, wanted: Tensor) -> Tensor:
    """The overlap of each of K boxes with its own; both (K, 4)."""
    low = torch.maximum(given[:, :2], wanted[:, :2])
    common = (torch.minimum(given[:, 2:], wanted[:, 2:]) - low).clamp(min=0).prod(1)
    areas = [(box[:, 2:] - box[:, :2]).clamp(min=0).prod(1) for box in (given, wanted)]
    return common / (areas[0] + areas[1] - common).clamp(min=torch.finfo(torch.float32).tiny)


def rare(prior: float, classes: int, background: int) -> list[float]:
    """Biases with which each class that is no background has a probability of ``prior``."""
    own = -math.log((1 - prior) / prior)
    return [0.0 if c == background else own for c in range(classes)]
