"""Noise: what ``noise_param`` lists, in the original's order.

As in the original it always happens, whatever ``prob`` says.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from ssd_data.core.errors import InputError
from ssd_data.core.structures import Pixels
from ssd_data.proto import caffe_pb2

POSTERIZE_STEP = 64
CLIP_LIMIT = 4.0
_POSTERIZED = (np.arange(256) // POSTERIZE_STEP * POSTERIZE_STEP + POSTERIZE_STEP // 2).astype(
    np.uint8
)


def check(param: caffe_pb2.NoiseParameter, where: str) -> None:
    """Refuse what cannot work.

    Raises:
        InputError: ``convert_to_lab``, of which the original feeds the net a float picture's bytes;
            a JPEG quality above 100; salt and pepper without a value or a fraction in 0 … 1.
    """
    if param.convert_to_lab:
        raise InputError("noise_param: convert_to_lab makes no picture of bytes", where=where)
    if param.jpeg > 100:
        raise InputError(f"noise_param: jpeg is {param.jpeg:g}, a quality of 1 to 100", where=where)
    grains = param.saltpepper_param
    if param.saltpepper and not (grains.value and 0 <= grains.fraction <= 1):
        raise InputError(
            "noise_param: saltpepper needs a value, and a fraction of 0 to 1", where=where
        )


def apply(
    picture: Pixels, param: caffe_pb2.NoiseParameter, generator: np.random.Generator
) -> Pixels:
    """The noisy picture, uint8 of the same shape (``ApplyNoise``).

    Raises:
        InputError: it asks for colours of a gray picture.
    """
    gray = picture.ndim == 2
    if param.decolorize and not gray:
        picture = _cv(cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR))
    if param.gauss_blur:
        picture = _cv(cv2.GaussianBlur(picture, (7, 7), 1.5))
    if param.hist_eq:
        picture = _on_brightness(picture, cv2.equalizeHist)
    if param.clahe:
        picture = _on_brightness(picture, cv2.createCLAHE(clipLimit=CLIP_LIMIT).apply)
    if param.jpeg > 0:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(param.jpeg)]
        flag = cv2.IMREAD_GRAYSCALE if gray else cv2.IMREAD_COLOR
        picture = _cv(cv2.imdecode(cv2.imencode(".jpg", picture, quality)[1], flag))
    if param.erode:
        picture = _cv(cv2.erode(picture, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))))
    if param.posterize:
        picture = _cv(cv2.LUT(picture, _POSTERIZED))
    if param.inverse:
        picture = _cv(cv2.bitwise_not(picture))
    if param.saltpepper:
        picture = _salt_and_pepper(picture, param.saltpepper_param, generator)
    if param.convert_to_hsv:
        if gray:
            raise InputError("noise_param: convert_to_hsv of a gray picture")
        picture = _cv(cv2.cvtColor(picture, cv2.COLOR_BGR2HSV))
    return picture


def _salt_and_pepper(
    picture: Pixels, param: caffe_pb2.SaltPepperParameter, generator: np.random.Generator
) -> Pixels:
    """A share of the pixels gets the values; a place may be hit more than once."""
    rows, columns = picture.shape[:2]
    count = int(np.float32(param.fraction) * np.float32(columns) * np.float32(rows))
    values = np.array(param.value, np.float32).astype(np.int64).astype(np.uint8)
    channels = 1 if picture.ndim == 2 else picture.shape[2]
    if len(values) not in (1, channels):
        raise InputError(f"saltpepper_param has {len(values)} value for {channels} channels")
    noisy = picture.copy()
    at = generator.integers(rows, size=count), generator.integers(columns, size=count)
    noisy[at] = values if picture.ndim == 3 else values[0]
    return noisy


def _on_brightness(picture: Pixels, change: Callable[..., object]) -> Pixels:
    """Change the luma of a colour picture, or a gray picture as it is."""
    if picture.ndim == 2:
        return _cv(change(picture))
    planes = list(cv2.split(cv2.cvtColor(picture, cv2.COLOR_BGR2YCrCb)))
    planes[0] = change(planes[0])  # type: ignore[call-overload]
    return _cv(cv2.cvtColor(cv2.merge(planes), cv2.COLOR_YCrCb2BGR))


def _cv(picture: object) -> Pixels:
    return np.asarray(picture, np.uint8)
