"""The data layer's statistics, and how far two samples lie apart."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from ssd_data.core.structures import Batch

Samples = dict[str, npt.NDArray[np.float32]]
IMAGE = ("boxes", *(f"{what}_{c}" for what in ("mean", "std") for c in "bgr"))
SHARE = "share_of_mean_pixels"
BOX = ("width", "height", "center_x", "center_y")


class Columns:
    """Collects a row a picture and a row a box, as the original's were collected."""

    def __init__(self) -> None:
        self.images: list[list[float]] = []
        self.boxes: list[npt.NDArray[np.float32]] = []

    def take(self, batches: Iterable[Batch], count: int) -> None:
        """Look at ``count`` pictures."""
        for batch in batches:
            rows = batch.label[0, 0]
            rows = rows[rows[:, 0] >= 0]
            for number, data in enumerate(batch.data):
                if len(self.images) == count:
                    return
                own = rows[rows[:, 0] == number]
                share = 1 - float(np.count_nonzero(data.any(0))) / data[0].size
                moments = [cv2.meanStdDev(plane) for plane in data]
                means, deviations = ([float(m[n].item()) for m in moments] for n in (0, 1))
                self.images.append([len(own), *means, *deviations, share])
                boxes = own[:, 3:7]
                extents = boxes[:, 2:] - boxes[:, :2]
                self.boxes.append(np.hstack([extents, (boxes[:, :2] + boxes[:, 2:]) / 2]))

    def arrays(self) -> Samples:
        """One array a column."""
        return _named(np.array(self.images, np.float32), np.vstack(self.boxes))


def golden(path: Path) -> Samples:
    """The original's columns."""
    with np.load(path) as file:
        assert tuple(file["image_columns"]) == (*IMAGE, SHARE)
        assert tuple(file["box_columns"]) == BOX
        return _named(file["image"], file["box"])


def _named(images: npt.NDArray[np.float32], boxes: npt.NDArray[np.float32]) -> Samples:
    return {
        **dict(zip((*IMAGE, SHARE), images.T, strict=True)),
        **dict(zip(BOX, boxes.T, strict=True)),
    }


def distances(ours: Samples, theirs: Samples) -> dict[str, float]:
    """The two-sample Kolmogorov-Smirnov statistic of each column."""
    return {name: distance(ours[name], theirs[name]) for name in theirs}


def distance(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> float:
    """The largest difference of two samples' distribution functions (Smirnov, 1939)."""
    at = np.concatenate((a, b))
    shares = [np.searchsorted(np.sort(x), at, side="right") / len(x) for x in (a, b)]
    return float(np.abs(shares[0] - shares[1]).max())
