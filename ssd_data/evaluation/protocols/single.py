"""One pass: the picture as it is, or warped to one size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ssd_data.core.structures import Detections, Pixels
from ssd_data.engines import Engine
from ssd_data.evaluation.protocols import Plan
from ssd_data.nets.preprocessing import Array, Preprocessing


def detect(
    engine: Engine,
    picture: Pixels,
    preprocessing: Preprocessing,
    size: tuple[int, int] | None = None,
) -> Detections:
    """What one pass finds.

    Args:
        picture: uint8 (height, width, 3), BGR.
        size: (width, height) to warp it to; None leaves it.

    Raises:
        InputError: the net has no DetectionOutput, or cannot take pictures of that size.
    """
    one = plan(preprocessing, size)
    return one.run(engine, [one.prepare(picture)])[0]


def plan(preprocessing: Preprocessing, size: tuple[int, int] | None, batch: int = 1) -> Plan:
    """See :func:`ssd_data.evaluation.protocols.make_plan`.

    Pictures of their own sizes come one by one.
    """

    def run(engine: Engine, pictures: Sequence[Array]) -> list[Detections]:
        return engine.detect(np.stack(pictures))

    return Plan(
        lambda picture: preprocessing.apply(picture, size), run, 1 if size is None else batch
    )
