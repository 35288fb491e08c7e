"""Pictures and records for tests of the augmentation."""

import cv2
import numpy as np

from ssd_data.batches.augment import rows
from ssd_data.data.lmdb.records import Record


def picture(width, height, seed=0, channels=3):
    """Smooth with noise, so that JPEG changes it."""
    random = np.random.default_rng(seed)
    small = random.integers(0, 256, (4, 5, channels), np.uint8)
    smooth = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    smooth = smooth.reshape(height, width, channels).astype(int)
    noisy = (smooth + random.integers(-20, 21, smooth.shape)).clip(0, 255).astype(np.uint8)
    return noisy if channels == 3 else noisy[:, :, 0]


def record(pixels, found=(), key="00000000_a.jpg", ending=".png"):
    data = cv2.imencode(ending, pixels)[1].tobytes()
    high, wide = pixels.shape[:2]
    channels = 1 if pixels.ndim == 2 else 3
    count = len(found)
    corners = np.array(found, np.float32).reshape(-1, 4)
    labels, numbers = np.arange(1, count + 1, dtype=np.int32), np.arange(count, dtype=np.int32)
    hard = np.arange(count) % 2 == 1
    return Record(key, channels, high, wide, True, data, labels, corners, hard, numbers)


def as_rows(found):
    return rows.rows_of(record(np.zeros((1, 1, 3), np.uint8), found))
