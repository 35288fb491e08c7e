"""Records' pictures as files that a browser shows."""

from __future__ import annotations

import threading
from html import escape

import cv2
import numpy as np

from ssd_data.core.errors import InputError
from ssd_data.core.images import encode, without_orientation
from ssd_data.core.legible import visible
from ssd_data.core.structures import Pixels
from ssd_data.data.lmdb.survey import Look

THUMBNAIL, QUALITY = 480, 88
JPEG, PNG, SVG = "image/jpeg", "image/png", "image/svg+xml"
SHOWN_AS_STORED = {"jpg": JPEG, "png": PNG}
# Pictures may be huge: only so many are in memory at once.
_DECODING = threading.BoundedSemaphore(2)


def whole(seen: Look) -> tuple[bytes, str]:
    """A record's picture, and its media type: JPEGs and PNGs as they are stored.

    A browser would turn a picture as its EXIF orientation says; boxes are of the picture as Caffe
    reads it, so that the orientation is taken out.

    Raises:
        InputError: there is none, or it does not decode.
    """
    if seen.error is not None or seen.record is None or seen.info is None:
        raise seen.error or InputError("cannot be read", where=seen.name)
    media = SHOWN_AS_STORED.get(seen.info.format)
    if media and seen.record.encoded:
        return without_orientation(seen.record.data, seen.info), media
    with _DECODING:
        return encode(_shown(seen.record.decode()), "png"), PNG


def thumbnail(seen: Look) -> tuple[bytes, str]:
    """The same, its longer side at most :data:`THUMBNAIL` pixels.

    Raises:
        InputError: as :func:`whole`.
    """
    if seen.error is not None or seen.record is None:
        raise seen.error or InputError("cannot be read", where=seen.name)
    with _DECODING:
        pixels = _shown(seen.record.decode())
        factor = THUMBNAIL / max(pixels.shape[:2])
        if factor < 1:
            size = tuple(max(1, round(side * factor)) for side in pixels.shape[1::-1])
            pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
        return encode(pixels, "jpg", QUALITY), JPEG


def placeholder(error: InputError) -> tuple[bytes, str]:
    """What stands where a picture should: why there is none."""
    text = escape(visible(error.what)[:60])
    drawn = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 300"><rect width="400" '
        'height="300" fill="#34373e"/><text x="200" y="140" fill="#e7e9ec" text-anchor="middle" '
        'font-family="sans-serif" font-size="20">This picture cannot be decoded</text>'
        f'<text x="200" y="170" fill="#a2a9b4" text-anchor="middle" font-family="sans-serif" '
        f'font-size="12">{text}</text></svg>'
    )
    return drawn.encode(), SVG


def _shown(pixels: Pixels) -> Pixels:
    """Of neither one nor three channels the first one is shown."""
    if pixels.ndim == 3 and pixels.shape[2] != 3:
        return np.ascontiguousarray(pixels[:, :, 0])
    return pixels
