"""An ncnn net with its convolutions in whole numbers of 8 bits.

``value ≈ integer / scale``: a weight's scale is its output channel's, a blob's one for all of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy

import numpy as np

from ssd_data.nets.layer_step import Array
from ssd_data.nets.ncnn.model import NcnnLayer, NcnnModel

LARGEST = 127
GROUPS, TERM = 7, 8  # of a layer's parameters
KINDS = ("Convolution", "ConvolutionDepthWise", "InnerProduct")


def to_quantise(model: NcnnModel) -> list[NcnnLayer]:
    """The layers that can compute in whole numbers."""
    return [layer for layer in model.layers if layer.type in KINDS]


def quantised(model: NcnnModel, largest: Mapping[str, float]) -> NcnnModel:
    """The net with such layers in whole numbers.

    Args:
        largest: how large values get, by blob. A layer whose blob is not there, or holds nothing
            but 0, stays as it is.
    """
    return NcnnModel([_layer(layer, largest) for layer in model.layers])


def _layer(layer: NcnnLayer, largest: Mapping[str, float]) -> NcnnLayer:
    most = largest.get(layer.bottoms[0], 0.0) if layer.bottoms else 0.0
    if layer.type not in KINDS or layer.weight is None or not most > 0:
        return layer
    count = layer.params.get(GROUPS, layer.params[0])
    assert isinstance(count, int)
    weight, scales = _whole(layer.weight.reshape(count, -1))
    made = copy(layer)
    made.params = {**layer.params, TERM: 1}
    made.weight = weight.reshape(-1)
    made.arrays = [*layer.arrays, scales, np.array([LARGEST / most], np.float32)]
    return made


def _whole(rows: Array) -> tuple[Array, Array]:
    """Rows as whole numbers, and each row's scale; 0 where it holds nothing."""
    most = np.abs(rows).max(1).astype(np.float64)
    scales = np.divide(LARGEST, most, out=np.zeros_like(most), where=most > 0)
    whole = np.clip(np.rint(rows * scales[:, None]), -LARGEST, LARGEST)
    return whole.astype(np.int8), scales.astype(np.float32)
