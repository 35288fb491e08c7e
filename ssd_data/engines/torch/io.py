"""Pictures and messages to arrays and back, as ``caffe.io`` has it.

>>> from ssd_data import io
>>> picture = io.load_image("sample/voc/JPEGImages/test000001.jpg")  # RGB, 0 to 1
>>> picture.shape, picture.dtype
((87, 105, 3), dtype('float32'))
>>> transformer = io.Transformer({"data": (1, 3, 200, 200)})
>>> transformer.set_transpose("data", (2, 0, 1))
>>> transformer.preprocess("data", picture).shape
(3, 200, 200)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from ssd_data.core.errors import UsageError
from ssd_data.core.images import read_picture
from ssd_data.nets.caffemodel import to_array, to_blob
from ssd_data.proto import caffe_pb2

Array: TypeAlias = npt.NDArray[np.float32]


def load_image(filename: Path | str, color: bool = True) -> Array:
    """A picture as float32 (height, width, 3) RGB in 0…1, or (height, width, 1) in gray.

    EXIF orientation is ignored, as everywhere here: annotations are made on stored pixels.

    Raises:
        InputError: the file is missing or no picture.
    """
    pixels = read_picture(filename, gray=not color)
    values = pixels[:, :, ::-1] if color else pixels[:, :, None]
    return np.ascontiguousarray(values, np.float32) / np.float32(255)


def resize_image(image: Array, size: tuple[int, int]) -> Array:
    """Bilinear, to (height, width); float32 (height, width, channels)."""
    values = np.asarray(image, np.float32)
    resized = cv2.resize(values, size[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(resized, np.float32).reshape(*size, -1)


class Transformer:
    """What happens to a picture before it goes into a net.

    ``preprocess`` does, in this order and where set: resize to the input's height and width,
    transpose, channel swap, raw scale, mean (subtracted), input scale. ``deprocess`` undoes all but
    the resizing.

    Args:
        inputs: name of an input blob → its shape (batch, channels, height, width).
    """

    def __init__(self, inputs: Mapping[str, Sequence[int]]) -> None:
        self.inputs = {name: tuple(shape) for name, shape in inputs.items()}
        self.transpose: dict[str, tuple[int, ...]] = {}
        self.channel_swap: dict[str, tuple[int, ...]] = {}
        self.raw_scale: dict[str, float] = {}
        self.mean: dict[str, Array] = {}
        self.input_scale: dict[str, float] = {}

    def set_transpose(self, name: str, order: Sequence[int]) -> None:
        """The axes' order, ``(2, 0, 1)`` from (height, width, channels)."""
        self._check(name)
        if len(order) != len(self.inputs[name]) - 1:
            raise UsageError(f"the order {tuple(order)} has not the input's number of axes")
        self.transpose[name] = tuple(order)

    def set_channel_swap(self, name: str, order: Sequence[int]) -> None:
        """The channels' order, ``(2, 1, 0)`` from RGB to BGR."""
        self._check(name)
        if len(order) != self.inputs[name][1]:
            raise UsageError(f"the order {tuple(order)} has not the input's number of channels")
        self.channel_swap[name] = tuple(order)

    def set_raw_scale(self, name: str, scale: float) -> None:
        """What values are multiplied by before the mean is subtracted (255 from 0…1)."""
        self._check(name)
        self.raw_scale[name] = scale

    def set_mean(self, name: str, mean: npt.ArrayLike) -> None:
        """What is subtracted: a number a channel, or (channels, height, width)."""
        self._check(name)
        values = np.asarray(mean, np.float32)
        if values.ndim == 1:
            if len(values) not in (1, self.inputs[name][1]):
                raise UsageError(f"a mean of {len(values)} numbers does not fit the channels")
            values = values[:, None, None]
        elif values.ndim != 3 or values.shape != self.inputs[name][1:]:
            raise UsageError(f"a mean of shape {values.shape} does not fit {self.inputs[name]}")
        self.mean[name] = values

    def set_input_scale(self, name: str, scale: float) -> None:
        """What values are multiplied by after the mean was subtracted."""
        self._check(name)
        self.input_scale[name] = scale

    def preprocess(self, name: str, image: npt.ArrayLike) -> Array:
        """A picture (height, width, channels) as the input wants it: float32, without the batch."""
        self._check(name)
        values = np.asarray(image, np.float32)
        size = self.inputs[name][2:]
        if values.shape[:2] != size:
            values = resize_image(values, (size[0], size[1]))
        if name in self.transpose:
            values = values.transpose(self.transpose[name])
        if name in self.channel_swap:
            values = values[self.channel_swap[name], :, :]
        values = values * np.float32(self.raw_scale.get(name, 1))
        values = values - self.mean.get(name, np.float32(0))
        return np.asarray(values * np.float32(self.input_scale.get(name, 1)), np.float32)

    def deprocess(self, name: str, values: npt.ArrayLike) -> Array:
        """An input's values as a picture again."""
        self._check(name)
        image = np.array(values, np.float32).squeeze()
        image = image / np.float32(self.input_scale.get(name, 1))
        image = image + self.mean.get(name, np.float32(0))
        image = image / np.float32(self.raw_scale.get(name, 1))
        if name in self.channel_swap:
            image = image[np.argsort(self.channel_swap[name]), :, :]
        if name in self.transpose:
            image = image.transpose(np.argsort(self.transpose[name]))
        return np.asarray(image, np.float32)

    def _check(self, name: str) -> None:
        if name not in self.inputs:
            raise UsageError(f'"{name}" is no input', hint=f"Inputs are {list(self.inputs)}")


# ---- messages ----


def blobproto_to_array(blob: caffe_pb2.BlobProto, return_diff: bool = False) -> Array:
    """A blob's values, or gradients, in its shape: float32.

    Raises:
        InputError: their number is not the shape's.
    """
    if not return_diff:
        return to_array(blob)
    other = caffe_pb2.BlobProto()
    other.CopyFrom(blob)
    other.ClearField("data")
    other.data.extend(blob.diff)
    return to_array(other)


def array_to_blobproto(
    arr: npt.ArrayLike, diff: npt.ArrayLike | None = None
) -> caffe_pb2.BlobProto:
    """An array, and its gradient, as a ``BlobProto``."""
    blob = to_blob(arr)
    if diff is not None:
        blob.diff.extend(np.asarray(diff, np.float32).ravel().tolist())
    return blob


def array_to_datum(arr: npt.NDArray[Any], label: int | None = None) -> caffe_pb2.Datum:
    """An array (channels, height, width) as a ``Datum``: of uint8 as bytes, else as numbers.

    Raises:
        ValueError: it has another number of axes.
    """
    if arr.ndim != 3:
        raise ValueError(f"a datum has three axes, not {arr.ndim}")
    datum = caffe_pb2.Datum(channels=arr.shape[0], height=arr.shape[1], width=arr.shape[2])
    if arr.dtype == np.uint8:
        datum.data = arr.tobytes()
    else:
        datum.float_data.extend(np.asarray(arr, np.float32).ravel().tolist())
    if label is not None:
        datum.label = label
    return datum


def datum_to_array(datum: caffe_pb2.Datum) -> npt.NDArray[Any]:
    """The values of a ``Datum`` that is not encoded: (channels, height, width), uint8 or float."""
    shape = (datum.channels, datum.height, datum.width)
    if datum.data:
        return np.frombuffer(datum.data, np.uint8).reshape(shape)
    return np.array(datum.float_data, float).reshape(shape)
