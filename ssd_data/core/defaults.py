"""Numbers that options and functions take where none are given."""

from __future__ import annotations

JPEG_QUALITY = 95  # OpenCV's default, which the original uses
MAX_PIXELS = 100_000_000
