"""What a picture's header says, of any form; no pixel is decoded.

JPEGs are walked by ``jpeg.py``. Of all others ``sizes.py`` reads the size first, and Pillow then
says the rest.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TypeVar

from PIL import Image, UnidentifiedImageError

from ssd_data.core.errors import InputError
from ssd_data.core.headers import PictureInfo
from ssd_data.core.headers.jpeg import ORIENTATION_TAG, read_jpeg
from ssd_data.core.headers.sizes import (
    TIFF,
    SizeFaultError,
    Stated,
    require_chunks,
    stated_size,
    wide,
)

RAISE_LIMIT = "Raise --max-pixels if the picture is meant to be that large"
WIDEST = 8  # bytes of a pixel
T = TypeVar("T")
CONVERT = "Convert it to JPEG or PNG"


# Of forms that are none here, their first bytes and names.
_ELSEWHERE = {
    b"8BPS": "Photoshop",
    b"DDS ": "DDS",
    b"%!PS": "PostScript",
    b"%PDF": "PDF",
    b"icns": "ICNS",
    b"qoif": "QOI",
    b"\0\0\1\0": "ICO",
    b"#?": "HDR",
    b"v/1\x01": "OpenEXR",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"P7": "PAM",
    b"PF": "PFM",
    b"Pf": "PFM",
}


def read_header(data: bytes, where: str, max_pixels: int, whole: bool) -> PictureInfo:
    """What the header says; its size is checked before anything else looks at the file.

    Args:
        whole: refuse a file without its end.

    Raises:
        InputError: not a picture, cut short, without size, or more than ``max_pixels`` pixels.
    """
    if not data:
        raise InputError("the picture file is empty", where=where)
    is_jpeg = data[:2] == b"\xff\xd8"
    info = read_jpeg(data, where, whole) if is_jpeg else _read_other(data, where, max_pixels)
    _require_size(info.width, info.height, info.width * info.height, max_pixels, where)
    return info


def _require_size(width: int, height: int, load: int, max_pixels: int, where: str) -> None:
    if width <= 0 or height <= 0:
        raise InputError(f"the picture's size is {width}x{height}", where=where)
    if load > max_pixels:
        text = f"{width}x{height} is more than {max_pixels} pixels"
        if load > width * height:
            text = f"{width}x{height} takes the memory of more than {max_pixels} pixels"
        raise InputError(text, where=where, hint=RAISE_LIMIT)


def _read_other(data: bytes, where: str, max_pixels: int) -> PictureInfo:
    """All but JPEGs: sizes are read here, the rest is Pillow's to say."""
    form, size = _stated(data, where)
    if size is not None:
        _require_size(size.width, size.height, size.load, max_pixels, where)
    if form == "PNG":
        _checked(require_chunks, data, where)
    try:
        with Image.open(io.BytesIO(data), formats=[form]) as image:
            mode, sides = image.mode, image.size
            transparent = "transparency" in image.info
            orientation = _stated_orientation(image)
    except UnidentifiedImageError:
        raise InputError(f"corrupt {form}: its header cannot be read", where=where) from None
    except Exception as error:  # on hostile bytes Pillow's readers raise what they like
        raise InputError(f"not a readable picture: {error}", where=where) from None
    size = size or wide(*sides)
    _require_size(size.width, size.height, size.load, max_pixels, where)
    if sides != (size.width, size.height):
        text = f"its header says {size.width}x{size.height} and {sides[0]}x{sides[1]}"
        raise InputError(text, where=where)
    mode = f"{mode} transparent" if transparent else mode
    return PictureInfo(form.lower(), size.width, size.height, mode, orientation=orientation)


def _stated(data: bytes, where: str) -> tuple[str, Stated | None]:
    found = _checked(stated_size, data, where)
    if found is None:
        raise _no_picture(data, where)
    return found


def _checked(read: Callable[[bytes], T], data: bytes, where: str) -> T:
    try:
        return read(data)
    except SizeFaultError as fault:
        raise InputError(str(fault), where=where) from None


def require_filled(start: bytes, size: int, where: str) -> None:
    """Refuse a large file whose picture is not: padding, a hole, or something else behind it.

    Args:
        start: how it begins. size: bytes of all of it.

    Raises:
        InputError: it is no picture, or of far too few pixels.
    """
    if start[:2] == b"\xff\xd8":
        info = read_jpeg(start, where, whole=False)
        pixels = info.width * info.height
    elif start.startswith(TIFF):  # where its size stands may be at the end
        return
    else:
        _, stated = _stated(start, where)
        pixels = stated.load if stated else 0
    if size > len(start) + WIDEST * pixels:
        text = f"{size:,} bytes are too many for a picture of {pixels:,} pixels"
        raise InputError(text, where=where)


def _stated_orientation(image: Image.Image) -> int:
    """A PNG's or WebP's EXIF orientation; TIFFs are turned by all who decode them."""
    if image.format not in ("PNG", "WEBP", "AVIF") or "exif" not in image.info:
        return 1
    exif = Image.Exif()
    exif.load(image.info["exif"])
    stated = exif.get(ORIENTATION_TAG)
    return stated if isinstance(stated, int) and 1 <= stated <= 8 else 1


def _no_picture(data: bytes, where: str) -> InputError:
    """What else it is."""
    head = data[:512].lstrip().lower()
    known = next((name for start, name in _ELSEWHERE.items() if data.startswith(start)), "")
    if data[4:8] == b"ftyp":
        known = "HEIC" if data[8:11] in (b"hei", b"hev") else "video"
    if known:
        return InputError(f"{known} is not read here", where=where, hint=CONVERT)
    what = "its first bytes are " + data[:4].hex(" ")
    if head.startswith((b"<!doctype html", b"<html")):
        what = "a web page"
    elif head.startswith((b"<?xml", b"<annotation", b"<svg")):
        what = "XML"
    elif head.startswith(b"version https://git-lfs"):
        what = "a Git LFS pointer; run git lfs pull"
    return InputError(f"not a picture ({what})", where=where)
