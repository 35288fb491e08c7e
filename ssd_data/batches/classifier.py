"""From a stored picture to a classifier's input: crop, mean, scale, mirror (``transform_param``).

No boxes here: pictures that have some are augmented elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ssd_data.core.errors import InputError
from ssd_data.core.files.messages import parse_message
from ssd_data.core.files.paths import read_bytes
from ssd_data.nets.caffemodel import to_array
from ssd_data.proto import caffe_pb2

Planes: TypeAlias = npt.NDArray[Any]
Floats: TypeAlias = npt.NDArray[np.float32]

MOST_MEAN_BYTES = 1 << 28


@dataclass(frozen=True, slots=True, eq=False)
class Transform:
    """How pictures become input.

    Attributes:
        crop: (height, width) in pixels, None for all of the picture.
        at_random: crop anywhere, and mirror every other picture; else the middle.
        mirror: whether pictures may be mirrored; the original does so in TEST as well.
        scale: factor of what is left when the mean is gone.
        mean: float32, one value, (channels, 1, 1), or (channels, height, width) of the whole
            picture or of the crop; None for no mean.
    """

    crop: tuple[int, int] | None = None
    at_random: bool = False
    mirror: bool = False
    scale: float = 1.0
    mean: Floats | None = None

    @classmethod
    def read(
        cls, param: caffe_pb2.TransformationParameter, training: bool, where: str = ""
    ) -> Transform:
        """What a ``transform_param`` asks for; ``training`` is phase TRAIN.

        Raises:
            InputError: its fields contradict one another, the mean cannot be read, or it asks for
                what is done to pictures with boxes only.
        """
        for name in ("resize_param", "noise_param"):
            if param.HasField(name):
                raise InputError(
                    f"{name} is for pictures with boxes (AnnotatedData)",
                    where=where,
                    hint="Resize when the database is built, or with new_height and new_width",
                )
        if param.force_color and param.force_gray:
            raise InputError("force_color and force_gray are both set", where=where)
        mean = None
        if param.HasField("mean_file"):
            if param.mean_value:
                raise InputError("mean_file and mean_value are both given", where=where)
            mean = read_mean(param.mean_file, where)
        elif param.mean_value:
            mean = np.array(param.mean_value, np.float32)[:, None, None]
        height, width = param.crop_size or param.crop_h, param.crop_size or param.crop_w
        crop = (height, width) if height and width else None
        return cls(crop, training, param.mirror, param.scale, mean)

    def shape(self, planes: Planes, where: str = "") -> tuple[int, int, int]:
        """Channels, height and width of what becomes of a picture.

        Raises:
            InputError: the crop is larger than the picture.
        """
        channels, height, width = planes.shape
        if self.crop is None:
            return channels, height, width
        if self.crop[0] > height or self.crop[1] > width:
            size = f"{width}x{height}"
            crop = f"{self.crop[1]}x{self.crop[0]}"
            raise InputError(
                f"the picture of {size} is smaller than the crop of {crop}", where=where
            )
        return channels, *self.crop

    def __call__(self, planes: Planes, random: np.random.Generator, where: str = "") -> Floats:
        """One picture's input.

        Args:
            planes: uint8 or float32 (channels, height, width).
            random: where the coin and the crop's place come from; drawn only where needed.
            where: names the picture in errors.

        Returns:
            float32 (channels, height, width), the size being the crop's where there is one.

        Raises:
            InputError: the crop or the mean does not fit the picture.
        """
        _, height, width = self.shape(planes, where)
        mirrored = self.mirror and bool(random.integers(2))
        spare = planes.shape[1] - height, planes.shape[2] - width
        top, left = (random.integers(n + 1) if self.at_random and n else n // 2 for n in spare)
        window = np.s_[:, top : top + height, left : left + width]
        values = planes[window].astype(np.float32)
        if self.mean is not None:
            values -= self._fitting_mean(planes, window, where)
        if self.scale != 1:
            values *= np.float32(self.scale)
        return np.ascontiguousarray(values[:, :, ::-1]) if mirrored else values

    def _fitting_mean(self, planes: Planes, window: tuple[slice, ...], where: str) -> Floats:
        mean = self.mean
        assert mean is not None
        if mean.shape == planes.shape:
            return mean[window]
        if mean.shape in ((1, 1, 1), (len(planes), 1, 1), planes[window].shape):
            return mean
        shapes = ["x".join(map(str, a.shape)) for a in (mean, planes)]
        raise InputError(
            f"the mean of {shapes[0]} does not fit the picture of {shapes[1]}", where=where
        )


def read_mean(path: str, where: str = "") -> Floats:
    """A ``mean_file``'s values (binary BlobProto), float32 (channels, height, width).

    Raises:
        InputError: the file is missing or holds something else.
    """
    place = f"{where}: {path}" if where else path
    data = read_bytes(Path(path), "mean file", MOST_MEAN_BYTES, place)
    blob = parse_message(data, caffe_pb2.BlobProto, "mean file (a BlobProto)", place)
    mean = to_array(blob, place)
    if mean.ndim < 3 or not mean.size or mean.size != np.prod(mean.shape[-3:]):
        raise InputError(f"the mean's shape is {mean.shape}, not that of a picture", where=place)
    return mean.reshape(mean.shape[-3:])


def as_planes(picture: Planes) -> Planes:
    """(channels, height, width) from OpenCV's (height, width, channels) or (height, width)."""
    return picture[None] if picture.ndim == 2 else picture.transpose(2, 0, 1)
