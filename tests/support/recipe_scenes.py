"""Predictions on the priors of two small feature maps, for the elements of a recipe's loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ssd_data.engines.torch.boxes import Priors
from ssd_data.engines.torch.matching import GroundTruth
from ssd_data.training.recipe.pairs import MapSize, Predictions
from support.multibox import make
from support.multibox_twin import Settings

F = np.float32
MAPS = ((4, 3, 2), (2, 2, 2), (1, 1, 1))  # width, height, priors a place
SIZE = (96, 64)
LEVELS = tuple(MapSize(width * height * each, width, height) for width, height, each in MAPS)


@dataclass
class Map:
    """One feature map: where its priors begin, how many stand at a place, pixels between places."""

    first: int
    count: int
    each: int
    stride: tuple[float, float]


def maps() -> list[Map]:
    found, first = [], 0
    for width, height, each in MAPS:
        count = width * height * each
        found.append(Map(first, count, each, (SIZE[0] / width, SIZE[1] / height)))
        first += count
    return found


def priors() -> np.ndarray:
    """Boxes as fractions, float32 (P, 4), and their variances: (2, P, 4)."""
    rows = []
    for number, (width, height, each) in enumerate(MAPS):
        for y in range(height):
            for x in range(width):
                for k in range(each):
                    side = (16.0 * 2**number, 16.0 * 2**number * (1 if k == 0 else 0.6))
                    cx, cy = (x + 0.5) * SIZE[0] / width, (y + 0.5) * SIZE[1] / height
                    box = [cx - side[0] / 2, cy - side[1] / 2, cx + side[0] / 2, cy + side[1] / 2]
                    rows.append([v / s for v, s in zip(box, SIZE * 2, strict=True)])
    boxes = np.array(rows, F)
    variances = np.tile(np.array([0.1, 0.1, 0.2, 0.2], F), (len(boxes), 1))
    return np.stack([boxes, variances])


def truths(rng: np.random.Generator, count: int) -> np.ndarray:
    """Boxes as fractions, of all sizes."""
    side = rng.uniform(0.04, 0.9, (count, 2))
    low = rng.uniform(0, 1 - side)
    return np.concatenate([low, low + side], 1).astype(F)


def scene(
    seed: int,
    *,
    pictures: int = 2,
    count: int = 5,
    logistic: bool = False,
    classes: int = 4,
    code_type: str = "CENTER_SIZE",
    spread: float = 1.0,
    **more: object,
) -> Predictions:
    """What a net might say of some pictures."""
    rng = np.random.default_rng(seed)
    prior = priors()
    kind = "LOGISTIC" if logistic else "SOFTMAX"
    how = Settings(num_classes=classes, conf_loss_type=kind, code_type=code_type, **more)  # type: ignore[arg-type]
    layer = make(how, pictures, prior.shape[1], max(count, 1))
    loc = torch.from_numpy(rng.normal(0, spread, (pictures, prior.shape[1], 4)).astype(F))
    conf = torch.from_numpy(rng.normal(0, 2, (pictures, prior.shape[1], classes)).astype(F))
    boxes = torch.from_numpy(truths(rng, count))
    truth = GroundTruth(
        torch.from_numpy(rng.integers(0, pictures, count)),
        torch.from_numpy(rng.integers(1, classes, count)),
        boxes,
    )
    levels = LEVELS
    own = Priors(*torch.from_numpy(prior))
    return Predictions(layer, loc, conf, own, truth, levels, SIZE)


def label_of(predictions: Predictions) -> torch.Tensor:
    """The truth as a MultiBoxLoss reads it."""
    truth = predictions.truth
    rows = torch.zeros(len(truth), 8)
    rows[:, 0], rows[:, 1], rows[:, 3:7] = truth.picture, truth.label, truth.boxes
    return rows[None, None]
