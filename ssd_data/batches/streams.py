"""Random numbers that follow from the seed and a position in the stream of records alone."""

from __future__ import annotations

from zlib import crc32

import numpy as np

WORD = 1 << 64


def generator_at(seed: int, position: int, name: str = "") -> np.random.Generator:
    """All that is random of the record at a position of the stream.

    Args:
        name: of an element, which has numbers of its own, whatever else is drawn there.
    """
    key = np.array((seed % WORD, position % WORD), np.uint64)
    if not name:
        return np.random.Generator(np.random.Philox(key=key))
    counter = np.array((0, 0, crc32(name.encode()), 0), np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))
