"""Picture files: what their headers say, whether they are whole, and their pixels.

Sizes are read by ``core/headers``, and hold for what is decoded. Pixels are as in Caffe, OpenCV's:
BGR, EXIF orientation ignored. JPEGs are decoded by simplejpeg, whose libjpeg-turbo gives the same
pixels, faster, and says whether data are damaged where OpenCV's writes that to the terminal.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image

from ssd_data.core import apart
from ssd_data.core.errors import InputError
from ssd_data.core.files.inside import read_bytes, read_start
from ssd_data.core.headers import PictureInfo
from ssd_data.core.headers.read import RAISE_LIMIT, read_header, require_filled
from ssd_data.core.options import JPEG_QUALITY, MAX_PIXELS
from ssd_data.core.structures import Pixels

MOST_BYTES, LARGE = 1 << 30, 1 << 26  # of a picture file; which few have
MOST_DECODED = 1 << 30  # pixels, as OpenCV has it
PLAIN, A_BYTE = 1 << 24, 1000  # pixels: nobody asks of how many bytes; beyond, the most of a byte
_CORRUPT = "Corrupt JPEG data: "
_HARMLESS = "extraneous bytes before marker 0xd9"  # the end's: editors pad there
_LOGGING: Any = getattr(cv2.utils, "logging", cv2)  # early releases have it at the top


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
    return read_header(data, where, max_pixels, whole=True)


def without_orientation(data: bytes, info: PictureInfo) -> bytes:
    """The same file with its EXIF orientation set to 1 and nothing else changed."""
    if info.orientation_at is None:
        return data
    patched = bytearray(data)
    patched[info.orientation_at] = 1
    return bytes(patched)


class DamagedError(InputError):
    """A picture that decodes, but not all of it: the rest is gray or torn."""


def decode(
    data: bytes,
    where: str,
    gray: bool = False,
    strict: bool = False,
    info: PictureInfo | None = None,
) -> Pixels:
    """Pixels as OpenCV decodes them: uint8 (height, width, 3) BGR, or (height, width) gray.

    Args:
        strict: refuse a JPEG whose data are damaged.
        info: what :func:`probe` said of it; without, the header is looked at here.

    Raises:
        InputError: the bytes cannot be decoded, or not to the size that their header states.
        DamagedError: with ``strict``, not all of them can.
    """
    info = info or _looked_at(data, where)
    pixels = info.width * info.height
    if pixels > PLAIN and len(data) * A_BYTE < pixels:
        text = f"{info.width}x{info.height} pixels in {len(data)} bytes: blank, or made to do harm"
        raise InputError(f"cannot decode the picture: {text}", where=where)
    if (
        info.format == "jpg"
        and (found := _decode_jpeg(data, where, gray, strict, info)) is not None
    ):
        return found
    return _decode_other(data, where, gray, info)


def _looked_at(data: bytes, where: str) -> PictureInfo:
    try:
        return read_header(data, where, MAX_PIXELS, whole=False)
    except InputError as error:
        text = f"cannot decode the picture: {_lowered(error.what)}"
        raise InputError(text, where=where, hint=error.hint) from None


def _decode_other(data: bytes, where: str, gray: bool, info: PictureInfo) -> Pixels:
    flag = cv2.IMREAD_GRAYSCALE if gray else cv2.IMREAD_COLOR
    flag |= cv2.IMREAD_IGNORE_ORIENTATION
    try:
        if info.format in apart.FORMS:
            image: Any = apart.decode_apart(data, flag, info.width, info.height)
        else:
            image = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    except cv2.error as error:
        raise InputError(f"cannot decode the picture: {error.err}", where=where) from None
    if image is None:
        raise InputError("cannot decode the picture: its data is corrupt", where=where)
    if image.dtype != np.uint8:
        raise InputError(f"cannot decode the picture: it holds {image.dtype} values", where=where)
    _require_stated(image.shape[1], image.shape[0], info, where)
    return np.asarray(image, np.uint8)


def _require_stated(width: int, height: int, info: PictureInfo, where: str) -> None:
    """Nobody knows what a picture is that two readers see in two sizes."""
    if (width, height) != (info.width, info.height):
        text = f"its header says {info.width}x{info.height}, it is {width}x{height}"
        raise InputError(f"cannot decode the picture: {text}", where=where)


def _decode_jpeg(
    data: bytes, where: str, gray: bool, strict: bool, info: PictureInfo
) -> Pixels | None:
    """The same of a JPEG; None where OpenCV is to say what it is."""
    try:
        height, width, *_ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return None
    _require_stated(width, height, info, where)
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
    data = picture_bytes(path, where, what)
    return decode(data, where, gray, info=probe(data, where))


def picture_bytes(
    path: Path | str, where: str, what: str = "picture", again: bool = False
) -> bytes:
    """A picture file's bytes; a large one is read where it begins as so large a picture does.

    Args:
        again: it will be read once more, so that it need not be fetched then.

    Raises:
        InputError: the file is missing, no regular file, too large, or no picture.
    """
    start, size = read_start(path, what, MOST_BYTES, where, LARGE, again)
    if size <= LARGE:
        return start
    require_filled(start, size, where)
    return read_bytes(path, what, MOST_BYTES, where)


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


def in_gray(picture: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A colour picture (height, width, 3), BGR, as one of gray values (height, width); a gray one
    in that form. Of uint8, or of float32 in the same range."""
    if picture.ndim == 2:
        return picture
    return picture[:, :, 0] if picture.shape[2] == 1 else cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)


def in_colour(picture: Pixels) -> Pixels:
    """A gray picture with its values as blue, green and red; others as they are."""
    if picture.ndim == 3 and picture.shape[2] == 3:
        return picture
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR), picture.dtype)
