"""Pictures for nets that subtract the mean themselves: as they are, channels last."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ssd_data.deploy.calibration import CalibrationPictures
from ssd_data.engines import Array
from ssd_data.nets.prepare import PreparedNet

Picture: TypeAlias = npt.NDArray[np.uint8]


def picture_input(net: PreparedNet) -> dict[str, Any]:
    """What ``preprocess.json`` says of such a net's input."""
    channels, (width, height) = net.shape[1], net.size
    return {
        "layout": "NHWC",
        "shape": [1, height, width, channels],
        "type": "uint8",
        "formula": "value from 0 to 255: the net computes (value - mean) * scale",
    }


def as_pictures(net: PreparedNet, batch: Array) -> Picture:
    """The pictures, (batch, height, width, channels), of which a preprocessed batch was made."""
    prepare = net.preprocessing
    values = batch.transpose(0, 2, 3, 1) / prepare.scale + np.asarray(prepare.mean, np.float32)
    found: Picture = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return found


def calibration_pictures(net: PreparedNet, lmdb: Path, records: int) -> tuple[list[Picture], str]:
    """The first pictures of an LMDB, each (1, channels, height, width), and a sentence on them.

    Raises:
        InputError: there is no LMDB, or a record cannot be read.
    """
    held = CalibrationPictures(net, lmdb, records)
    found = [as_pictures(net, batch).transpose(0, 3, 1, 2) for batch in held]
    return found, held.sentence("in 8 bits")
