"""Pictures whose boxes have a colour each, so that it can be seen where a box's pixels went."""

from __future__ import annotations

import numpy as np

from ssd_data.batches.augment.rows import Rows

GROUND = (0, 0, 0)


def colour_of(label: int) -> tuple[int, int, int]:
    """One of 216 that lie at least 36 apart, none of them dark."""
    return (40 + label % 6 * 36, 40 + label // 6 % 6 * 36, 40 + label // 36 % 6 * 36)


def painted(number: int, width: int, height: int, boxes: int = 3):
    """A picture and its rows: boxes side by side in a row, labels that no other number has."""
    random = np.random.default_rng(number)
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:] = GROUND
    rows = np.zeros((boxes, 8), np.float32)
    slot = width // boxes
    for i in range(boxes):
        wide = int(random.integers(max(slot // 3, 2), max(slot - 4, 3)))
        tall = int(random.integers(max(height // 4, 2), max(height // 2, 3)))
        x = i * slot + 2
        y = int(random.integers(0, height - tall + 1))
        label = 1 + number * boxes + i
        pixels[y : y + tall, x : x + wide] = colour_of(label)
        edges = np.divide((x, y, x + wide, y + tall), (width, height) * 2)
        rows[i] = [0, label, i, *edges, i % 2]
    return pixels, rows


def where_seen(pixels: np.ndarray, label: int, share: float = 1.0) -> np.ndarray:
    """Which pixels have a label's colour, or that share of it over the ground; bool (h, w)."""
    wanted = np.array(colour_of(label), float) * share
    return (np.abs(pixels.astype(float) - wanted) <= 2).all(2)


def extent(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of what is True."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def require_boxes_on_colours(pixels: np.ndarray, rows: Rows, tolerance: float = 1.5) -> int:
    """Each box lies inside, and around all that is seen of its colour; how many were looked at.

    Of labels that occur once, in pictures where no box covers another.
    """
    height, width = pixels.shape[:2]
    assert (rows[:, 3:7] >= 0).all()
    assert (rows[:, 3:7] <= 1).all()
    labels = rows[:, 1].astype(int).tolist()
    looked = 0
    for row, label in zip(rows, labels, strict=True):
        if labels.count(label) > 1:
            continue
        mask = where_seen(pixels, label)
        assert mask.any(), label
        edges = row[3:7] * (width, height, width, height)
        assert np.abs(edges - extent(mask)).max() <= tolerance, (label, edges, extent(mask))
        looked += 1
    return looked
