"""Picture files: what their headers say, whether they are whole, and their pixels.

Headers of JPEGs are walked here, since the EXIF orientation has to be found to the byte; all other
formats are Pillow's to read. Pixels are as in Caffe, OpenCV's: BGR, EXIF orientation ignored.
JPEGs are decoded by simplejpeg, whose libjpeg-turbo gives the same pixels, faster, and says whether
data are damaged where OpenCV's writes that to the terminal.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import simplejpeg
from PIL import Image, UnidentifiedImageError

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import read_bytes
from ssd_data.core.options import JPEG_QUALITY, MAX_PIXELS
from ssd_data.core.structures import Pixels

MOST_BYTES = 1 << 30  # of a picture file
MOST_DECODED = 1 << 30  # pixels, as OpenCV has it
RAISE_LIMIT = "Raise --max-pixels if the picture is meant to be that large"
_EIGHT_BIT_RGB, _EIGHT_BIT_GRAY = "RGB", "L"
_SOF_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_FRAME = struct.Struct(">BHHB")  # precision, height, width, components
_FILL = re.compile(rb"\xff+")
_ORIENTATION_TAG = 0x0112
_CORRUPT = "Corrupt JPEG data: "
_HARMLESS = "extraneous bytes before marker 0xd9"  # the end's: editors pad there
_LOGGING: Any = getattr(cv2.utils, "logging", cv2)  # early releases have it at the top


@dataclass(frozen=True, slots=True)
class PictureInfo:
    """What a picture file's header says.

    Attributes:
        format: "jpg", "png" or another format's name, from the content, not the file's ending.
        width, height: in pixels as stored, before any EXIF rotation.
        mode: Pillow's name of the stored form ("RGB", "L", "CMYK", "P", "I;16" …).
        orientation_at: where the EXIF orientation's value lies in the file (its low byte), None
            where there is none or it is 1.
        orientation: its value, 1 to 8 (TIFF 6.0); 1 is upright as stored.
    """

    format: str
    width: int
    height: int
    mode: str
    orientation_at: int | None = None
    orientation: int = 1

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height after the EXIF rotation."""
        turned = self.orientation >= 5
        return (self.height, self.width) if turned else (self.width, self.height)


@contextmanager
def picture_limits(keep_threads: bool = False) -> Iterator[None]:
    """For as long as it lasts: ours is the only limit of pixels, and ours are the only threads.

    Pillow's own limit is lifted, since :func:`probe` has one; OpenCV starts no threads beside ours
    (unless ``keep_threads`` is set, for its own nets) and writes nothing of broken pictures to
    standard error, since our errors say it.
    """
    threads, level = cv2.getNumThreads(), _LOGGING.getLogLevel()
    limit = Image.MAX_IMAGE_PIXELS
    cv2.setNumThreads(threads if keep_threads else 1)
    _LOGGING.setLogLevel(0)  # silent
    Image.MAX_IMAGE_PIXELS = None
    try:
        yield
    finally:
        cv2.setNumThreads(threads)
        _LOGGING.setLogLevel(level)
        Image.MAX_IMAGE_PIXELS = limit


def probe(data: bytes, where: str, max_pixels: int = MAX_PIXELS) -> PictureInfo:
    """Read a picture's header and check that its end is there; no pixel is decoded.

    Raises:
        InputError: not a picture, cut short, without size, or more than ``max_pixels`` pixels.
    """
    if not data:
        raise InputError("the picture file is empty", where=where)
    info = _probe_jpeg(data, where) if data[:2] == b"\xff\xd8" else _probe_other(data, where)
    if info.width <= 0 or info.height <= 0:
        raise InputError(f"the picture's size is {info.width}x{info.height}", where=where)
    if info.width * info.height > max_pixels:
        raise InputError(
            f"{info.width}x{info.height} is more than {max_pixels} pixels",
            where=where,
            hint=RAISE_LIMIT,
        )
    return info


def _probe_jpeg(data: bytes, where: str) -> PictureInfo:
    """Walk the segments of a JPEG (ITU T.81 B.1) up to the frame header."""
    at, orientation_at = 2, None
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            raise InputError("corrupt JPEG: no marker where one should stand", where=where)
        marker = data[at + 1]
        if marker == 0xFF:  # fill bytes
            at = _FILL.match(data, at).end() - 1  # type: ignore[union-attr]
            continue
        if marker == 0x01 or 0xD0 <= marker <= 0xD7:  # no length
            at += 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xE1 and orientation_at is None and data[at + 4 : at + 10] == b"Exif\0\0":
            orientation_at = _find_orientation(data, at + 10, at + 2 + length)
        if marker in _SOF_MARKERS and at + 10 <= len(data):
            break
        at += 2 + max(length, 2)
    else:
        raise InputError("truncated JPEG: the frame header is missing", where=where)
    precision, height, width, components = _FRAME.unpack_from(data, at + 4)
    if precision != 8:
        raise InputError(f"a JPEG of {precision} bits a value cannot be read", where=where)
    # Cameras and editors append zeros or a thumbnail behind the end marker.
    if not data.endswith(b"\xff\xd9") and data.rfind(b"\xff\xd9", at) < 0:
        raise InputError("truncated JPEG: the end marker is missing", where=where)
    mode = {1: _EIGHT_BIT_GRAY, 3: _EIGHT_BIT_RGB, 4: "CMYK"}.get(components, f"{components} bands")
    orientation = 1 if orientation_at is None else data[orientation_at]
    return PictureInfo("jpg", width, height, mode, orientation_at, orientation)


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
        if number(entry, 2) == _ORIENTATION_TAG and number(entry + 2, 2) == 3:
            at = entry + 8 + (order == "big")
            return at if 2 <= number(entry + 8, 2) <= 8 else None
    return None


def _probe_other(data: bytes, where: str) -> PictureInfo:
    try:
        with Image.open(io.BytesIO(data)) as image:
            kind, mode, (width, height) = str(image.format).lower(), image.mode, image.size
            transparent = "transparency" in image.info
            orientation = _stated_orientation(image)
    except UnidentifiedImageError:
        raise InputError(f"not a picture ({_what(data)})", where=where) from None
    except Image.DecompressionBombError as error:
        raise InputError(str(error), where=where, hint=RAISE_LIMIT) from None
    except Exception as error:  # on hostile bytes Pillow's readers raise what they like
        raise InputError(f"not a readable picture: {error}", where=where) from None
    if kind == "png" and b"IEND" not in data[-4096:] and b"IEND" not in data:
        raise InputError("truncated PNG: the end is missing", where=where)
    mode = f"{mode} transparent" if transparent else mode
    return PictureInfo(kind, width, height, mode, orientation=orientation)


def _stated_orientation(image: Image.Image) -> int:
    """A PNG's or WebP's EXIF orientation; TIFFs are turned by all who decode them."""
    if image.format not in ("PNG", "WEBP", "AVIF") or "exif" not in image.info:
        return 1
    exif = Image.Exif()
    exif.load(image.info["exif"])
    stated = exif.get(_ORIENTATION_TAG)
    return stated if isinstance(stated, int) and 1 <= stated <= 8 else 1


def _what(data: bytes) -> str:
    head = data[:512].lstrip().lower()
    if head.startswith((b"<!doctype html", b"<html")):
        return "a web page"
    if head.startswith((b"<?xml", b"<annotation", b"<svg")):
        return "XML"
    if head.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer; run git lfs pull"
    return "its first bytes are " + data[:4].hex(" ")


def without_orientation(data: bytes, info: PictureInfo) -> bytes:
    """The same file with its EXIF orientation set to 1 and nothing else changed."""
    if info.orientation_at is None:
        return data
    patched = bytearray(data)
    patched[info.orientation_at] = 1
    return bytes(patched)


class DamagedError(InputError):
    """A picture that decodes, but not all of it: the rest is gray or torn."""


def decode(data: bytes, where: str, gray: bool = False, strict: bool = False) -> Pixels:
    """Pixels as OpenCV decodes them: uint8 (height, width, 3) BGR, or (height, width) gray.

    Args:
        strict: refuse a JPEG whose data are damaged.

    Raises:
        InputError: the bytes cannot be decoded.
        DamagedError: with ``strict``, not all of them can.
    """
    if data[:2] == b"\xff\xd8" and (pixels := _decode_jpeg(data, where, gray, strict)) is not None:
        return pixels
    flag = cv2.IMREAD_GRAYSCALE if gray else cv2.IMREAD_COLOR
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flag | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise InputError(f"cannot decode the picture: {error.err}", where=where) from None
    if image is None:
        raise InputError("cannot decode the picture: its data is corrupt", where=where)
    return np.asarray(image, np.uint8)


def _decode_jpeg(data: bytes, where: str, gray: bool, strict: bool) -> Pixels | None:
    """The same of a JPEG; None where OpenCV is to say what it is."""
    try:
        height, width, *_ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return None
    if height * width > MOST_DECODED:
        return None
    order = "GRAY" if gray else "BGR"
    try:
        pixels = simplejpeg.decode_jpeg(data, order, strict=True)
    except ValueError as error:
        fault = str(error)
        if fault.startswith("Premature end"):
            text = f"cannot decode the picture: {_lowered(fault)}"
            raise InputError(text, where=where) from None
        if strict and not fault.endswith(_HARMLESS):
            text = f"the picture is damaged: {_lowered(fault.removeprefix(_CORRUPT))}"
            raise DamagedError(text, where=where) from None
        pixels = _decode_damaged(data, where, order)
    return np.asarray(pixels[:, :, 0] if gray else pixels, np.uint8)


def _decode_damaged(data: bytes, where: str, order: str) -> Pixels:
    try:
        return np.asarray(simplejpeg.decode_jpeg(data, order, strict=False), np.uint8)
    except ValueError as error:
        text = f"cannot decode the picture: {_lowered(str(error))}"
        raise InputError(text, where=where) from None


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]


def read_picture(
    path: Path | str, where: str = "", what: str = "picture", gray: bool = False
) -> Pixels:
    """A picture file's pixels, its header looked at before; see :func:`decode`.

    Args:
        path: the file. where: names it in errors; the path by default.
        what: what it is, for errors of the file itself.

    Raises:
        InputError: the file is missing, no picture, too large or broken.
    """
    where = where or str(path)
    data = read_bytes(path, what, MOST_BYTES, where)
    probe(data, where)
    return decode(data, where, gray)


def encode(image: Pixels, encoding: str, quality: int = JPEG_QUALITY) -> bytes:
    """A JPEG ("jpg") or PNG ("png") file of the pixels, or ("raw") channel, row, column bytes."""
    if encoding == "raw":
        planes = image if image.ndim == 2 else image.transpose(2, 0, 1)
        return np.ascontiguousarray(planes).tobytes()
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if encoding == "jpg" else []
    done, buffer = cv2.imencode(f".{encoding}", image, options)
    if not done:
        raise InputError(f"OpenCV could not encode the picture as {encoding}")
    return buffer.tobytes()


def resized_size(
    width: int,
    height: int,
    size: tuple[int, int] | None = None,
    min_dim: int = 0,
    max_dim: int = 0,
) -> float | tuple[int, int] | None:
    """How the original resizes: a factor (min_dim, max_dim), a size, or None for not at all.

    The factor is single precision; ``min_dim``/``max_dim`` override ``size`` (width, height).
    """
    if not (min_dim or max_dim):
        return size
    factor = np.float32(1)
    if min_dim and min(width, height) < min_dim:
        factor = np.float32(min_dim) / np.float32(min(width, height))
    if max_dim and int(factor * np.float32(max(width, height))) > max_dim:
        factor = np.float32(max_dim) / np.float32(max(width, height))
    return None if factor == 1 else float(factor)


def resize(
    image: Pixels, how: float | tuple[int, int] | None, where: str, max_pixels: int = MAX_PIXELS
) -> Pixels:
    """Bilinear, as the original; ``how`` comes from :func:`resized_size`.

    Raises:
        InputError: the result would have no pixel, or more than ``max_pixels``.
    """
    if how is None:
        return image
    size = how if isinstance(how, tuple) else tuple(round(n * how) for n in image.shape[1::-1])
    if not 0 < size[0] * size[1] <= max_pixels:
        text = f"resized to {size[0]}x{size[1]} the picture has no pixel, or over {max_pixels}"
        raise InputError(text, where=where, hint=RAISE_LIMIT)
    if isinstance(how, tuple):
        return np.asarray(cv2.resize(image, how), np.uint8)
    return np.asarray(cv2.resize(image, None, fx=how, fy=how), np.uint8)


def in_colour(picture: Pixels) -> Pixels:
    """A gray picture with its values as blue, green and red; others as they are."""
    if picture.ndim == 3 and picture.shape[2] == 3:
        return picture
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR), np.uint8)
