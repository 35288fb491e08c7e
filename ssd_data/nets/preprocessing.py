"""What happens to a picture before it goes into a net, and where that is written down."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from ssd_data.core.errors import InputError
from ssd_data.core.structures import Pixels
from ssd_data.nets.prototxt import read_prototxt
from ssd_data.proto import caffe_pb2

Array: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """What happens to a picture's values before the net: ``(value - mean) * scale``.

    Attributes:
        mean: of blue, green and red, in 0 … 255.
        scale: a factor.
    """

    mean: tuple[float, float, float]
    scale: float = 1.0

    def apply(self, picture: Pixels | Array, size: tuple[int, int] | None) -> Array:
        """A net's input: float32 (3, height, width), blue first.

        Args:
            picture: uint8 (or float32 of the same range) (height, width, 3), BGR.
            size: (width, height) to warp the picture to, bilinear; None leaves it.
        """
        values: npt.NDArray[Any] = picture
        if size is not None and picture.shape[1::-1] != size:
            values = np.asarray(cv2.resize(picture, size))
        values = values.astype(np.float32) - np.array(self.mean, np.float32)
        if self.scale != 1:
            values *= np.float32(self.scale)
        return np.ascontiguousarray(values.transpose(2, 0, 1))


def from_transform(param: caffe_pb2.TransformationParameter, where: object = "") -> Preprocessing:
    """What a data layer's ``transform_param`` says.

    Raises:
        InputError: it has a mean file, or a number of means that does not fit three channels.
    """
    if param.HasField("mean_file"):
        raise InputError(
            "a mean file cannot be used here",
            where=where,
            hint="Give numbers (--mean) in its place",
        )
    means = list(param.mean_value) or [0.0]
    if len(means) not in (1, 3):
        raise InputError(f"{len(means)} mean_value for 3 channels", where=where)
    blue, green, red = means * (3 // len(means))
    return Preprocessing((blue, green, red), param.scale)


def read_preprocessing(path: Path | str) -> Preprocessing:
    """What the first data layer of a net says.

    Raises:
        InputError: the file is no net, or has no layer with a ``transform_param``.
    """
    for layer in read_prototxt(path, caffe_pb2.NetParameter).message.layer:
        if layer.HasField("transform_param"):
            return from_transform(layer.transform_param, f'{path} (layer "{layer.name}")')
    raise InputError("no layer has a transform_param", where=path)


def find_preprocessing(deploy: Path | str) -> Preprocessing:
    """What the training or test net beside a deploy net says.

    Raises:
        InputError: there is none of them, or it does not say.
    """
    for name in ("train.prototxt", "test.prototxt"):
        path = Path(deploy).parent / name
        if path.is_file() and not path.samefile(deploy):
            return read_preprocessing(path)
    read_prototxt(deploy, caffe_pb2.NetParameter)  # if it is none, that is what to say
    raise InputError(
        "a deploy net does not say what its pictures' mean and scale are",
        where=deploy,
        hint="Give --train TRAIN_PROTOTXT or --family NAME; or --mean 127.5 --scale 0.007843 "
        "(MobileNet-SSD), --mean 104,117,123 (VGG-SSD, SFD)",
    )
