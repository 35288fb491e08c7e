"""Where the priors of feature maps stand."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ssd_data.training.recipe.pairs import Predictions


@dataclass(frozen=True, slots=True)
class Level:
    """The priors of one feature map.

    Attributes:
        first, last: where they lie among all, the last one excluded.
        centres: float32 (K, 2), in pixels of the input.
        each: how many stand at a place, one behind the other.
        stride: pixels from one place to the next, in width and in height.
    """

    first: int
    last: int
    centres: Tensor
    each: int
    stride: tuple[float, float]


def levels_of(predictions: Predictions) -> list[Level]:
    """The feature maps, in their order."""
    boxes, first, found = predictions.priors.boxes * predictions.pixels, 0, []
    for one in predictions.levels:
        last = first + one.count
        centres = (boxes[first:last, :2] + boxes[first:last, 2:]) / 2
        stride = (predictions.size[0] / one.width, predictions.size[1] / one.height)
        found.append(Level(first, last, centres, one.count // (one.width * one.height), stride))
        first = last
    return found


def inside(centres: Tensor, boxes: Tensor) -> Tensor:
    """Which centres (P, 2) lie inside of which boxes (M, 4); bool (M, P)."""
    x, y = centres[:, 0], centres[:, 1]
    left, top, right, bottom = (side[:, None] for side in boxes.unbind(1))
    return (x > left) & (x < right) & (y > top) & (y < bottom)


def all_centres(levels: list[Level]) -> Tensor:
    """The centres of all priors, float32 (P, 2)."""
    return torch.cat([level.centres for level in levels])
