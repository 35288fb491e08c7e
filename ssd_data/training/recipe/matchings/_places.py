"""Where the priors of feature maps stand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from ssd_data.training.recipe.pairs import MapSize, Predictions

KEPT = 64  # layouts: batches of several sizes have one each


@dataclass(frozen=True, slots=True)
class Level:
    """The priors of one feature map.

    Attributes:
        first, last: where they lie among all, the last one excluded.
        each: how many stand at a place, one behind the other.
        stride: pixels from one place to the next, in width and in height.
    """

    first: int
    last: int
    each: int
    stride: tuple[float, float]


def levels_of(predictions: Predictions) -> list[Level]:
    """The feature maps, in their order."""
    return _levels(predictions.levels, predictions.size)


def _levels(maps: tuple[MapSize, ...], size: tuple[int, int]) -> list[Level]:
    first, found = 0, []
    for one in maps:
        last = first + one.count
        stride = (size[0] / one.width, size[1] / one.height)
        found.append(Level(first, last, one.count // (one.width * one.height), stride))
        first = last
    return found


def strides_of(predictions: Predictions) -> Tensor:
    """The stride of each prior's map in pixels, width and height; float32 (P, 2)."""
    return _strides(predictions.levels, predictions.size, predictions.scores.device)


@lru_cache(KEPT)
def _strides(maps: tuple[MapSize, ...], size: tuple[int, int], device: torch.device) -> Tensor:
    rows = [
        torch.tensor([one.stride]).expand(one.last - one.first, 2) for one in _levels(maps, size)
    ]
    return torch.cat(rows).to(device)


def centres_of(predictions: Predictions) -> Tensor:
    """The centres of all priors in pixels of the input, float32 (P, 2)."""
    return middle(predictions.priors.boxes * predictions.pixels)


def middle(boxes: Tensor) -> Tensor:
    """The centres of boxes (…, 4): (…, 2)."""
    return (boxes[..., :2] + boxes[..., 2:]) / 2


def inside(centres: Tensor, boxes: Tensor) -> Tensor:
    """Which centres (…, 2) lie inside of which boxes (…, 4); bool."""
    return ((centres > boxes[..., :2]) & (centres < boxes[..., 2:])).all(-1)
