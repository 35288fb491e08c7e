"""Distort: brightness, contrast, saturation and hue at random, then the order of the channels.

All values of a picture change by tables of 256, some of them in HSV (OpenCV's eight bits: hue in
0 … 179). A sum or product leaves 0 … 255 nowhere: it is rounded to the nearest value, halves to the
even one, and cut, hue as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from ssd_data.core.errors import InputError
from ssd_data.core.structures import Pixels
from ssd_data.proto import caffe_pb2

Table: TypeAlias = npt.NDArray[np.uint8]
HUE, SATURATION = 0, 1
_VALUES = np.arange(256, dtype=np.float64)
_SAME: Table = np.arange(256, dtype=np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Distortion:
    """What was drawn.

    Attributes:
        steps: in their order, each a channel of HSV or None for all of BGR, and its table.
        order: the channels' new order, None to leave it.
    """

    steps: tuple[tuple[int | None, Table], ...]
    order: tuple[int, ...] | None = None


def check(param: caffe_pb2.DistortionParameter, where: str) -> None:
    """Refuse what the original aborts at.

    Raises:
        InputError: a delta that is negative or no number, or a range whose upper end is below its
            lower one or zero.
    """
    for name in ("brightness_delta", "hue_delta"):
        if not 0 <= (delta := getattr(param, name)) < np.inf:
            fault = "a negative" if delta < 0 else f"{delta:g} as"
            raise InputError(f"distort_param has {fault} {name}", where=where)
    for name in ("contrast", "saturation"):
        low, high = (getattr(param, f"{name}_{end}") for end in ("lower", "upper"))
        if getattr(param, f"{name}_prob") > 0 and not 0 <= low <= high < np.inf:
            raise InputError(
                f"distort_param: {name}_lower is {low:g} and {name}_upper {high:g}", where=where
            )


def draw(param: caffe_pb2.DistortionParameter, generator: np.random.Generator) -> Distortion:
    """Decide what happens; contrast comes before saturation and hue half of the time."""
    chances = generator.random(6)
    brightness = contrast = saturation = hue = None
    if chances[1] < param.brightness_prob:
        brightness = table(1, generator.uniform(-param.brightness_delta, param.brightness_delta))
    if chances[2] < param.contrast_prob:
        factor = generator.uniform(param.contrast_lower, param.contrast_upper)
        contrast = table(factor, 0) if abs(factor - 1) > 1e-3 else None
    if chances[3] < param.saturation_prob:
        saturation = table(generator.uniform(param.saturation_lower, param.saturation_upper), 0)
    if chances[4] < param.hue_prob:
        hue = table(1, generator.uniform(-param.hue_delta, param.hue_delta))
    order = tuple(generator.permutation(3)) if chances[5] < param.random_order_prob else None
    middle = [(SATURATION, saturation), (HUE, hue)]
    steps = [(None, contrast), *middle] if chances[0] > 0.5 else [*middle, (None, contrast)]
    drawn = [(channel, t) for channel, t in [(None, brightness), *steps] if t is not None]
    return Distortion(tuple(drawn), order)


def table(factor: float, offset: float) -> Table:
    """What becomes of each value: ``value * factor + offset``, rounded and cut to 0 … 255."""
    changed = np.rint((_VALUES * factor + offset).astype(np.float32))
    return changed.clip(0, 255).astype(np.uint8)


def apply(picture: Pixels, distortion: Distortion) -> Pixels:
    """The distorted picture, uint8 of the same shape.

    A gray picture has neither saturation nor hue nor an order of channels; the original aborts.
    """
    gray = picture.ndim == 2
    waiting = _SAME  # tables of neighbouring BGR steps become one
    for channel, values in distortion.steps:
        if channel is None:
            waiting = values[waiting]
        elif not gray:
            picture = _in_hsv(_look_up(picture, waiting), channel, values)
            waiting = _SAME
    picture = _look_up(picture, waiting)
    if distortion.order is not None and not gray:
        picture = np.ascontiguousarray(picture[:, :, distortion.order])
    return picture


def _look_up(picture: Pixels, values: Table) -> Pixels:
    return picture if values is _SAME else np.asarray(cv2.LUT(picture, values), np.uint8)


def _in_hsv(picture: Pixels, channel: int, values: Table) -> Pixels:
    planes = list(cv2.split(cv2.cvtColor(picture, cv2.COLOR_BGR2HSV)))
    planes[channel] = cv2.LUT(planes[channel], values)
    return np.asarray(cv2.cvtColor(cv2.merge(planes), cv2.COLOR_HSV2BGR), np.uint8)
