"""A JPEG's header, walked as libjpeg walks it; what libjpeg would mend on its way is refused.

Walked here, since the EXIF orientation has to be found to the byte. ITU T.81, B.1.
"""

from __future__ import annotations

import re
import struct

from ssd_data.core.errors import InputError
from ssd_data.core.headers import PictureInfo

END = b"\xff\xd9"
ORIENTATION_TAG = 0x0112
MODES = {1: "L", 3: "RGB", 4: "CMYK"}
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BARE = frozenset({0x01, *range(0xD0, 0xD8)})  # markers without length
# Tables, comments and what applications write; libjpeg stops at any other before the frame.
_PASSED = frozenset({0xC4, 0xCC, 0xDB, 0xDC, 0xDD, *range(0xE0, 0xF0), 0xFE})
_FRAME = struct.Struct(">HBHHB")  # length, precision, height, width, components
_FILL = re.compile(rb"\xff+")


def read_jpeg(data: bytes, where: str, whole: bool = True) -> PictureInfo:
    """The size and form that the frame header states.

    Args:
        whole: refuse a file without its end.

    Raises:
        InputError: the header is corrupt or cut short, or the end is missing.
    """
    at, orientation_at = _walk(data, where)
    length, precision, height, width, components = _FRAME.unpack_from(data, at + 2)
    if precision != 8:
        raise InputError(f"a JPEG of {precision} bits a value cannot be read", where=where)
    if length != 8 + 3 * components:
        raise InputError("corrupt JPEG: the frame header's length is wrong", where=where)
    # Cameras and editors append zeros or a thumbnail behind the end marker.
    if whole and not data.endswith(END) and data.rfind(END, at) < 0:
        raise InputError("truncated JPEG: the end marker is missing", where=where)
    mode = MODES.get(components, f"{components} bands")
    orientation = 1 if orientation_at is None else data[orientation_at]
    return PictureInfo("jpg", width, height, mode, orientation_at, orientation)


def _walk(data: bytes, where: str) -> tuple[int, int | None]:
    """Where the frame header's marker stands, and the orientation's value."""
    at, orientation_at = 2, None
    while at + 4 <= len(data):
        marker = data[at + 1]
        if data[at] != 0xFF or marker == 0x00:
            raise InputError("corrupt JPEG: no marker where one should stand", where=where)
        if marker == 0xFF:  # fill bytes
            at = _FILL.match(data, at).end() - 1  # type: ignore[union-attr]
            continue
        if marker in _BARE:
            at += 2
            continue
        if marker in _FRAMES:
            if at + 10 > len(data):
                break
            return at, orientation_at
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if marker not in _PASSED or length < 2:
            text = f"corrupt JPEG: a marker {marker:02x} before the frame header"
            raise InputError(text, where=where)
        if marker == 0xE1 and orientation_at is None and data[at + 4 : at + 10] == b"Exif\0\0":
            orientation_at = _find_orientation(data, at + 10, at + 2 + length)
        at += 2 + length
    raise InputError("truncated JPEG: the frame header is missing", where=where)


def _find_orientation(data: bytes, start: int, end: int) -> int | None:
    """Where the orientation's value stands in the EXIF block (TIFF 6.0), None where it is 1."""
    order = {b"II": "little", b"MM": "big"}.get(data[start : start + 2])
    if order is None:
        return None

    def number(at: int, size: int) -> int:
        return int.from_bytes(data[at : at + size], order)  # type: ignore[arg-type]

    directory = start + number(start + 4, 4)
    for index in range(min(number(directory, 2), 512) if directory + 2 <= end else 0):
        entry = directory + 2 + 12 * index
        if entry + 12 > min(end, len(data)):
            return None
        if number(entry, 2) == ORIENTATION_TAG and number(entry + 2, 2) == 3:
            at = entry + 8 + (order == "big")
            return at if 2 <= number(entry + 8, 2) <= 8 else None
    return None
