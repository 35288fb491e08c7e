"""Decoded pictures that stay in memory."""

from __future__ import annotations

import threading
from dataclasses import replace

from ssd_data.core.structures import Pixels
from ssd_data.data.lmdb.records import Record

MEGABYTE = 1 << 20


class PictureCache:
    """Records with their decoded pictures, up to a limit; those that come first stay.

    Training reads all records in turn, again and again. Where they do not all fit, a cache that let
    the oldest go would have lost each one just before it is needed again; this one keeps its share.

    Args:
        megabytes: the limit of the pixels' memory, in 2^20 bytes.
    """

    def __init__(self, megabytes: int) -> None:
        self._left = megabytes * MEGABYTE
        self._kept: dict[int, tuple[Record, Pixels]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many pictures are in it."""
        return len(self._kept)

    def get(self, number: int) -> tuple[Record, Pixels] | None:
        """The record of that number without its stored bytes, and its pixels."""
        return self._kept.get(number)

    def put(self, number: int, record: Record, pixels: Pixels) -> None:
        """Keep them if there is room. The pixels cannot be written to any more."""
        pixels.setflags(write=False)
        with self._lock:
            if number not in self._kept and pixels.nbytes <= self._left:
                self._left -= pixels.nbytes
                self._kept[number] = (replace(record, data=b""), pixels)
