"""One pass: the picture as it is, or warped to one size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ssd_data.core.structures import Detections
from ssd_data.engines import Engine
from ssd_data.evaluation.protocols import Plan
from ssd_data.evaluation.protocols._padded import detect_padded
from ssd_data.nets.preprocessing import Array, Preprocessing


def plan(preprocessing: Preprocessing, size: tuple[int, int] | None, batch: int = 1) -> Plan:
    """See :func:`ssd_data.evaluation.protocols.make_plan`.

    Pictures of their own sizes come one by one.
    """

    def run(engine: Engine, pictures: Sequence[Array]) -> list[Detections]:
        return detect_padded(engine, np.stack(pictures))

    return Plan(
        lambda picture: preprocessing.apply(picture, size),
        run,
        1 if size is None else batch,
        preprocessing.gray,
    )
