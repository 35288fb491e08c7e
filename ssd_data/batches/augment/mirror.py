"""Mirror: the picture is turned about its vertical axis half of the time (``mirror``)."""

from __future__ import annotations

import cv2
import numpy as np

from ssd_data.batches.augment.rows import Rows
from ssd_data.core.structures import Pixels


def apply(picture: Pixels) -> Pixels:
    """The picture with left and right exchanged."""
    return np.asarray(cv2.flip(picture, 1), np.uint8)


def move(rows: Rows) -> Rows:
    """The rows with their boxes mirrored: ``1 - xmax`` becomes xmin and the other way round."""
    mirrored = rows.copy()
    mirrored[:, 3] = np.float32(1) - rows[:, 5]
    mirrored[:, 5] = np.float32(1) - rows[:, 3]
    return mirrored
