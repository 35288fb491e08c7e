"""Pictures of any size for nets that take some sizes alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ssd_data.core.structures import Detections
from ssd_data.engines import Engine
from ssd_data.nets.preprocessing import Array


def detect_padded(engine: Engine, batch: Array) -> list[Detections]:
    """What a net finds; where its maps need sides of a multiple, pictures get a margin of the mean
    at the right and below, and boxes are fractions of the picture all the same.

    Args:
        batch: float32 (N, C, H, W), the mean taken off.
    """
    height, width = batch.shape[2:]
    multiple = engine.side_multiple
    below, right = -height % multiple, -width % multiple
    if not below and not right:
        return engine.detect(batch)
    found = engine.detect(np.pad(batch, ((0, 0), (0, 0), (0, below), (0, right))))
    larger = [(width + right) / width, (height + below) / height] * 2
    factors = np.array(larger, np.float32)
    with np.errstate(over="ignore"):
        return [replace(one, boxes=one.boxes * factors) for one in found]
