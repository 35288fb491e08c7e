"""What happens to a picture before it goes into a net, and where that is written down."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from ssd_data.core.errors import InputError
from ssd_data.core.files.there import is_file
from ssd_data.core.images import in_colour, in_gray
from ssd_data.nets.graph import Graph
from ssd_data.nets.phases import takes_part
from ssd_data.nets.prototxt import read_prototxt
from ssd_data.nets.upgrade import upgrade
from ssd_data.proto import caffe_pb2

Array: TypeAlias = npt.NDArray[np.float32]
Picture: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """What happens to a picture's values before the net: ``(value - mean) * scale``.

    >>> gray = Preprocessing((127.5,), 1 / 127.5, gray=True)
    >>> gray.apply(np.zeros((8, 8, 3), np.uint8), (4, 2)).shape
    (1, 2, 4)

    Attributes:
        mean: of blue, green and red, in 0 … 255; or one for all channels.
        scale: a factor.
        gray: the net has one channel: pictures are turned gray, as by ``force_gray``.
    """

    mean: tuple[float, ...]
    scale: float = 1.0
    gray: bool = False

    def fitted(self, graph: Graph) -> Preprocessing:
        """The same for a deploy net, whose input decides about the channels.

        Raises:
            InputError: it has neither three channels nor one, or one where there are three means.
        """
        channels, where = graph.input_shape()[1], graph.input_place()
        if channels not in (1, 3):
            raise InputError(
                f"the net's input has {channels} channels; pictures have 3 (blue, green, red), or "
                "1 (gray)",
                where=where,
                hint="Is its shape batch, channels, height, width? Nets for other values run in "
                "Python: ssd_data.load_engine",
            )
        if channels == 1 and len(self.mean) != 1:
            means = ",".join(f"{value:g}" for value in self.mean)
            raise InputError(
                f"{len(self.mean)} means ({means}), but the net's input has one channel, gray",
                where=where,
                hint="Give it one: --mean 127.5 --scale 0.007843, or one mean_value in the data "
                "layer that they are taken from",
            )
        mean = self.mean * channels if len(self.mean) == 1 else self.mean
        return replace(self, mean=mean, gray=channels == 1)

    def channelled(self, picture: Picture) -> Picture:
        """A picture with the channels that the net sees: (height, width) where that is gray, else
        (height, width, 3)."""
        if self.gray:
            return in_gray(picture)
        return picture if picture.ndim == 3 and picture.shape[2] == 3 else in_colour(picture)

    def apply(self, picture: Picture, size: tuple[int, int] | None) -> Array:
        """A net's input: float32 (channels, height, width), blue first.

        Args:
            picture: uint8 (or float32 of the same range) (height, width, 3), BGR, or gray
                (height, width).
            size: (width, height) to warp the picture to, bilinear; None leaves it.
        """
        values = self.channelled(picture)
        if size is not None and picture.shape[1::-1] != size:
            values = np.asarray(cv2.resize(values, size))
        values = values.reshape(*values.shape[:2], -1)
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
    return Preprocessing(tuple(means), param.scale)


def read_preprocessing(path: Path | str) -> Preprocessing:
    """What a net's data layer says: of several the test's, else the first.

    Raises:
        InputError: the file is no net, or has no layer with a ``transform_param``.
    """
    if (found := _stated(path)) is None:
        raise InputError("no layer has a transform_param", where=path)
    return found


def _stated(path: Path | str) -> Preprocessing | None:
    """Of a net's data layers the first in the test phase, else the first, has it."""
    source = read_prototxt(path, caffe_pb2.NetParameter)
    state = caffe_pb2.NetState(phase=caffe_pb2.TEST)
    net = upgrade(source.message, source.origin)
    layers = [layer for layer in net.layer if layer.HasField("transform_param")]
    for layer in sorted(layers, key=lambda one: not takes_part(one, state, str(path))):
        return from_transform(layer.transform_param, f'{path} (layer "{layer.name}")')
    return None


def find_preprocessing(deploy: Path | str) -> Preprocessing:
    """What a net's own data layer says, or that of the training or test net beside a deploy net.

    Raises:
        InputError: there is none of them, or it does not say.
    """
    if (own := _stated(deploy)) is not None:
        return own
    for name in ("train.prototxt", "test.prototxt"):
        path = Path(deploy).parent / name
        if is_file(path) and not path.samefile(deploy):
            return read_preprocessing(path)
    read_prototxt(deploy, caffe_pb2.NetParameter)  # if it is none, that is what to say
    raise InputError(
        "a deploy net does not say what its pictures' mean and scale are",
        where=deploy,
        hint="Give --train TRAIN_PROTOTXT or --family NAME; or --mean 127.5 --scale 0.007843 "
        "(MobileNet-SSD), --mean 104,117,123 (VGG-SSD, SFD)",
    )
