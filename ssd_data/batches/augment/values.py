"""Values: the mean is subtracted from each pixel, and what is left is scaled."""

from __future__ import annotations

from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from ssd_data.core.errors import InputError
from ssd_data.core.structures import Pixels
from ssd_data.proto import caffe_pb2

Array: TypeAlias = npt.NDArray[np.float32]


def tables_of(param: caffe_pb2.TransformationParameter, where: str) -> Array:
    """What becomes of a pixel's value, ``(value - mean) * scale`` in single precision: a table a
    channel, or one for all of them; float32 (1 or channels, 256).

    Raises:
        InputError: it has a mean file.
    """
    if param.HasField("mean_file"):
        raise InputError(
            "a mean_file is not supported", where=where, hint="Give mean_value instead"
        )
    if not np.isfinite([*param.mean_value, param.scale]).all():
        raise InputError("mean_value or scale is no finite number", where=where)
    means = np.array(list(param.mean_value) or [0.0], np.float32)
    return (np.arange(256, dtype=np.float32) - means[:, None]) * np.float32(param.scale)


def write_values(picture: Pixels, tables: Array, out: Array) -> None:
    """Put a picture's values into float32 (channels, height, width).

    Raises:
        InputError: there are neither as many means as channels nor one.
    """
    planes = [picture] if picture.ndim == 2 else cv2.split(picture)
    if len(tables) not in (1, len(planes)):
        raise InputError(f"{len(tables)} mean_value for {len(planes)} channels")
    for channel, plane in enumerate(planes):
        cv2.LUT(plane, tables[channel % len(tables)], dst=out[channel])
