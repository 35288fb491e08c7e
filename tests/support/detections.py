"""Comparing two detectors' answers as sets, for tests."""

from __future__ import annotations

import numpy as np


def differences(ours: np.ndarray, theirs: np.ndarray, *, keep: int, threshold: float) -> list[str]:
    """Rows (picture, label, score, xmin, ymin, xmax, ymax) that only one side has.

    Coordinates agree to 1e-3, scores to 1e-4. A row may be missing where it is within 1e-5 of the
    last score that was kept, or where the overlap that decided over it is within 1e-4 of the
    threshold.
    """
    found = []
    for name, here, there in (("ours", ours, theirs), ("theirs", theirs, ours)):
        last = here[:, 2].min() + 1e-5 if len(here) >= keep else -np.inf
        for row in here:
            near = np.abs(there - row)
            same = (near[:, :2] == 0).all(1) & (near[:, 2] <= 1e-4) & (near[:, 3:] <= 1e-3).all(1)
            if same.any() or row[2] <= last or decided_narrowly(row, there, threshold):
                continue
            found.append(f"only {name}: {row}")
    return found


def decided_narrowly(row: np.ndarray, others: np.ndarray, threshold: float) -> bool:
    better = others[(others[:, 1] == row[1]) & (others[:, 2] >= row[2] - 1e-5)]
    return bool((np.abs(overlaps(row[3:], better[:, 3:]) - threshold) < 1e-4).any())


def overlaps(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    common = np.clip(high - low, 0, None).prod(1)
    return common / ((box[2:] - box[:2]).prod() + (boxes[:, 2:] - boxes[:, :2]).prod(1) - common)
