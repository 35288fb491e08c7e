"""Where each form of picture states its size: a few bytes at places that its definition fixes.

A size comes with how many plain pixels take the memory that its decoder does: JPEG 2000 computes in
wider numbers, a TIFF's decoder holds a whole strip or tile beside the picture.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass

CODESTREAM, JP2 = b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  \r\n\x87\n"
MOST_BOXES, MOST_TAGS, MOST_CHUNKS = 256, 1 << 12, 1 << 20
WIDTH, HEIGHT, BITS, ORIENTATION, BANDS, ROWS = 256, 257, 258, 274, 277, 278
TILE_WIDTH, TILE_HEIGHT = 322, 323
TAGS = (WIDTH, HEIGHT, BITS, ORIENTATION, BANDS, ROWS, TILE_WIDTH, TILE_HEIGHT)
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
AVIF = (b"avif", b"avis", b"mif1", b"msf1")
WIDE = 3  # times the memory of other forms
_TIFF_NUMBERS = {3: "H", 4: "I", 16: "Q"}
_BETWEEN = rb"(?:\s|#[^\n]*\n)+"
_NETPBM = re.compile(rb"P[1-6]" + _BETWEEN + rb"(\d{1,9})" + _BETWEEN + rb"(\d{1,9})\s")


class SizeFaultError(Exception):
    """What is wrong with a header."""


@dataclass(frozen=True, slots=True)
class Stated:
    """A size as stated.

    Attributes:
        width, height: in pixels, as decoded.
        load: how many plain pixels take as much memory as decoding it.
    """

    width: int
    height: int
    load: int


def _plain(width: int, height: int) -> Stated:
    return Stated(width, height, width * height)


def wide(width: int, height: int) -> Stated:
    """The size of a picture whose decoder computes in wider numbers."""
    return Stated(width, height, WIDE * width * height)


def _png(data: bytes) -> Stated:
    """PNG (W3C), 11.2.2."""
    if data[8:16] != b"\0\0\0\rIHDR":
        raise SizeFaultError("corrupt PNG: it does not begin with its header")
    return _plain(*struct.unpack_from(">II", data, 16))


def require_chunks(data: bytes) -> None:
    """Refuse a PNG whose chunks are not all there: decoders make room for one before they look.

    Raises:
        SizeFaultError: it is cut short.
    """
    at = 8
    for _ in range(MOST_CHUNKS):
        if data[at + 4 : at + 8] == b"IEND":
            return
        at += 12 + int.from_bytes(data[at : at + 4], "big")
        if at + 12 > len(data):
            raise SizeFaultError("truncated PNG: the end is missing")
    raise SizeFaultError(f"corrupt PNG: more than {MOST_CHUNKS} chunks")


def _gif(data: bytes) -> Stated:
    """GIF89a, 18: the logical screen."""
    return _plain(*struct.unpack_from("<HH", data, 6))


def _bmp(data: bytes) -> Stated:
    """BITMAPCOREHEADER, or one of those with sides of four bytes; upside down if negative."""
    (size,) = struct.unpack_from("<I", data, 14)
    width, height = struct.unpack_from("<HH" if size == 12 else "<ii", data, 18)
    return _plain(width, abs(height))


def _webp(data: bytes) -> Stated:
    """RFC 9649: the canvas, or the only frame's own header."""
    kind = data[12:16]
    if kind == b"VP8X":
        sides = data[24:30]
        width = 1 + int.from_bytes(sides[:3], "little")
        return _plain(width, 1 + int.from_bytes(sides[3:], "little"))
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return _plain(1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", data, 26)
        return _plain(width & 0x3FFF, height & 0x3FFF)
    raise SizeFaultError("corrupt WebP: it does not begin with a picture")


def _sun(data: bytes) -> Stated:
    return _plain(*struct.unpack_from(">II", data, 4))


def _netpbm(data: bytes) -> Stated:
    found = _NETPBM.match(data, 0, 1024)
    if found is None:
        raise SizeFaultError("its width and height are no numbers")
    return _plain(int(found[1]), int(found[2]))


def _jpeg2000(data: bytes) -> Stated:
    """ISO 15444-1, A.5.1: the codestream's own, by which it is decoded, not a box's about it."""
    at = 0 if data.startswith(CODESTREAM) else _codestream(data)
    right, lower, left, top = struct.unpack_from(">4I", data, at + 8)
    apart = data[at + 43 : at + 45]  # of the first band's samples
    if data[at : at + 4] != CODESTREAM or apart != b"\1\1":
        raise SizeFaultError("corrupt JPEG 2000: no size where one should stand")
    return wide(max(right - left, 0), max(lower - top, 0))


def _codestream(data: bytes) -> int:
    """Where a JP2 file's codestream begins (I.5.4)."""
    at = len(JP2)
    for _ in range(MOST_BOXES):
        size, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, at + 8)
            head = 16
        if kind == b"jp2c":
            return at + head
        if size < head:
            break
        at += size
    raise SizeFaultError("corrupt JPEG 2000: its picture is missing")


def _tiff(data: bytes) -> Stated:
    """TIFF 6.0 or BigTIFF, by the first directory, as its decoder turns it."""
    tags = _tiff_tags(data)
    width, height = tags.get(WIDTH, 0), tags.get(HEIGHT, 0)
    piece = width * min(tags.get(ROWS, height), height)
    if TILE_WIDTH in tags:
        piece = tags[TILE_WIDTH] * tags.get(TILE_HEIGHT, 0)
    held = piece * tags.get(BANDS, 1) * tags.get(BITS, 1) // 8
    load = max(width * height, held // 3)
    if tags.get(ORIENTATION, 1) in range(5, 9):
        width, height = height, width
    return Stated(width, height, load)


def _tiff_tags(data: bytes) -> dict[int, int]:
    """The first value of each wanted tag; what stands twice, or is no number, is refused."""
    order = "<" if data[:2] == b"II" else ">"
    big = b"+" in data[2:4]
    place, counter, size = ("Q", "Q", 20) if big else ("I", "H", 12)
    (at,) = struct.unpack_from(order + place, data, 8 if big else 4)
    (count,) = struct.unpack_from(order + counter, data, at)
    at += struct.calcsize(order + counter)
    found: dict[int, int] = {}
    for entry in range(at, at + min(count, MOST_TAGS) * size, size):
        tag, kind, values = struct.unpack_from(f"{order}HH{place}", data, entry)
        if tag not in TAGS:
            continue
        form = _TIFF_NUMBERS.get(kind, "")
        if tag in found or not form or (values != 1 and tag != BITS):
            raise SizeFaultError(f"corrupt TIFF: tag {tag} stands twice, or is no number")
        value = entry + 4 + struct.calcsize(order + place)
        if values * struct.calcsize(form) > struct.calcsize(place):
            (value,) = struct.unpack_from(order + place, data, value)
        (found[tag],) = struct.unpack_from(order + form, data, value)
    return found


# By their first bytes.
_READERS: dict[str, tuple[tuple[bytes, ...], Callable[[bytes], Stated]]] = {
    "PNG": ((b"\x89PNG\r\n\x1a\n",), _png),
    "GIF": ((b"GIF87a", b"GIF89a"), _gif),
    "BMP": ((b"BM",), _bmp),
    "WEBP": ((b"RIFF",), _webp),
    "SUN": ((b"\x59\xa6\x6a\x95",), _sun),
    "PPM": (tuple(b"P%d" % n for n in range(1, 7)), _netpbm),
    "JPEG2000": ((JP2, CODESTREAM), _jpeg2000),
    "TIFF": (TIFF, _tiff),
}


def stated_size(data: bytes) -> tuple[str, Stated | None] | None:
    """A picture's form as Pillow names it and its size; None where no form begins so.

    >>> stated_size(b"P6 64 48 255 ")
    ('PPM', Stated(width=64, height=48, load=3072))

    Of AVIF there is no size: it is built of boxes of many kinds. Pillow reads them, and decodes
    nothing for that.

    Raises:
        SizeFaultError: the header is corrupt or cut short.
    """
    for form, (starts, read) in _READERS.items():
        if data.startswith(starts):
            try:
                return form, read(data)
            except (struct.error, OverflowError):
                raise SizeFaultError(f"corrupt {form}: its header is cut short") from None
    return ("AVIF", None) if data[4:8] == b"ftyp" and data[8:12] in AVIF else None
