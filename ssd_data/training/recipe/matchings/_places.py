"""Where the priors of feature maps stand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ssd_data.training.recipe.pairs import Predictions

NEAR = 1e-6  # what is not farther apart is at one place


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


def levels_of(predictions: Predictions) -> Iterator[Level]:
    """The feature maps, in their order."""
    boxes, first = predictions.priors.boxes * predictions.pixels, 0
    for count in predictions.levels:
        own = boxes[first : first + count]
        centres = (own[:, :2] + own[:, 2:]) / 2
        away = (centres - centres[0]).abs() > NEAR * max(predictions.size)
        moved = away.any(1)
        each = int(moved.int().argmax()) if bool(moved.any()) else count
        stride = (
            _next(centres[:, 0], away[:, 0], predictions.size[0]),
            _next(centres[:, 1], away[:, 1], predictions.size[1]),
        )
        yield Level(first, first + count, centres, each, stride)
        first += count


def _next(values: Tensor, away: Tensor, whole: int) -> float:
    """How far the first value is that is not the first place's; the whole side where none is."""
    if not bool(away.any()):
        return float(whole)
    place = int(away.int().argmax())
    return float((values[place] - values[0]).abs())


def inside(centres: Tensor, boxes: Tensor) -> Tensor:
    """Which centres (P, 2) lie inside of which boxes (M, 4); bool (M, P)."""
    x, y = centres[:, 0], centres[:, 1]
    left, top, right, bottom = (side[:, None] for side in boxes.unbind(1))
    return (x > left) & (x < right) & (y > top) & (y < bottom)


def all_centres(levels: list[Level]) -> Tensor:
    """The centres of all priors, float32 (P, 2)."""
    return torch.cat([level.centres for level in levels])
