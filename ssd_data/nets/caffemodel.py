"""Caffemodels: a net's arrays on disk, as a binary ``NetParameter``.

Reading takes what Caffe and its forks wrote: single and double precision, NVCaffe's half precision
(``raw_data``), shapes old (num, channels, height, width) and new, layers old and new. Writing gives
single precision and new shapes, as the SSD branch does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ssd_data.core.errors import InputError
from ssd_data.core.files.messages import parse_message
from ssd_data.core.files.paths import read_bytes
from ssd_data.core.files.whole import write_whole
from ssd_data.core.legible import QUOTE, legible
from ssd_data.nets.filetypes import CAFFEMODEL, file_type
from ssd_data.nets.forks import SCALE, parted_arrays
from ssd_data.nets.graph import MOST_AXES
from ssd_data.nets.upgrade import upgrade
from ssd_data.proto import caffe_pb2

Array: TypeAlias = npt.NDArray[np.float32]

MOST_BYTES = 2 << 30  # protobuf's own limit
MOST_SIZE = (1 << 31) - 1  # as src/caffe/blob.cpp checks it
_RAW = {0: "<f8", 1: "<f4", 2: "<f2"}


@dataclass(slots=True)
class LayerWeights:
    """One layer's arrays, float32, in Caffe's order (a convolution's weights, then its bias).

    Attributes:
        within: whether the file has them within a BatchNorm (see :mod:`ssd_data.nets.forks`).
    """

    name: str
    type: str
    arrays: list[Array]
    within: bool = False


@dataclass(slots=True)
class Caffemodel:
    """All layers of a caffemodel that hold arrays, in file order; names may occur twice."""

    layers: list[LayerWeights]
    name: str = ""
    origin: str = "caffemodel"
    net: caffe_pb2.NetParameter = field(default_factory=caffe_pb2.NetParameter)

    def __getitem__(self, name: str) -> list[Array]:
        """The arrays of the first layer of that name.

        Raises:
            KeyError: there is none.
        """
        for layer in self.layers:
            if layer.name == name:
                return layer.arrays
        raise KeyError(name)


def read_caffemodel(path: Path | str) -> Caffemodel:
    """Read a caffemodel.

    Raises:
        InputError: the file is missing, something else, cut short, or an array does not fit its
            shape.
    """
    data = read_bytes(path, "caffemodel", MOST_BYTES)
    _refuse_other_files(data, str(path))
    hint = "Compare its size with the original's, and fetch it again"
    net = parse_message(data, caffe_pb2.NetParameter, "caffemodel", path, hint)
    if not net.layer and not net.layers:
        raise InputError("this caffemodel holds no layer", where=path)
    arrays = []
    for old in net.layer or net.layers:
        where = f"{path}: {legible(old.name, QUOTE)}"
        arrays.append([to_array(blob, where) for blob in old.blobs])
        old.ClearField("blobs")
    net = upgrade(net, str(path))
    named = zip(net.layer[-len(arrays) :], arrays, strict=True)  # not one made of input fields
    layers = [
        part
        for layer, own in named
        if own
        for part in _parted(LayerWeights(layer.name, layer.type, own))
    ]
    return Caffemodel(layers, net.name, str(path), net)


def _parted(layer: LayerWeights) -> list[LayerWeights]:
    """A layer as everyone has it: of a BatchNorm that scales as well, two."""
    if layer.type != "BatchNorm":
        return [layer]
    own, scale = parted_arrays(layer.arrays)
    first = LayerWeights(layer.name, layer.type, own, own is not layer.arrays)
    return [first, *([LayerWeights(layer.name + SCALE, "Scale", scale, True)] if scale else [])]


def to_array(blob: caffe_pb2.BlobProto, where: str = "blob") -> Array:
    """A blob's values as float32 in its shape.

    Raises:
        InputError: the number of values is not the shape's, or there are more axes, or longer ones,
            than Caffe allows.
    """
    with np.errstate(over="ignore"):  # what single precision cannot hold is infinite
        if blob.HasField("raw_data"):
            values = _raw_values(blob, where)
        else:
            values = np.asarray(blob.double_data if blob.double_data else blob.data, np.float32)
    shape = _shape(blob, values.size)
    if len(shape) > MOST_AXES:
        what = f"an array has {len(shape)} axes; Caffe has {MOST_AXES} at most"
        raise InputError(what, where=where)
    fits = all(n >= 0 for n in shape) and math.prod(shape) == values.size
    if not fits or math.prod(n or 1 for n in shape) > MOST_SIZE:  # NumPy leaves no 0 out either
        text = "x".join(map(str, shape))
        raise InputError(f"an array of shape {text} holds {values.size} values", where=where)
    return values.reshape(shape)


def _shape(blob: caffe_pb2.BlobProto, count: int) -> tuple[int, ...]:
    """A blob's shape; of the old form always (num, channels, height, width)."""
    if blob.HasField("shape"):
        return tuple(blob.shape.dim)
    if any(blob.HasField(name) for name in ("num", "channels", "height", "width")):
        return (blob.num, blob.channels, blob.height, blob.width)
    return (count,) if count != 1 else ()


def _raw_values(blob: caffe_pb2.BlobProto, where: str) -> Array:
    kind = _RAW.get(blob.raw_data_type)
    if kind is None:
        name = caffe_pb2.BlobProto.RawType.Name(blob.raw_data_type)
        raise InputError(f"raw_data of type {name} is not known", where=where)
    if len(blob.raw_data) % np.dtype(kind).itemsize:
        raise InputError("raw_data is cut short", where=where)
    return np.frombuffer(blob.raw_data, kind).astype(np.float32)


def to_blob(array: npt.ArrayLike) -> caffe_pb2.BlobProto:
    """An array as a blob in single precision with a new-form shape."""
    values = np.ascontiguousarray(array, "<f4")
    data = values.tobytes()
    blob = caffe_pb2.BlobProto(shape=caffe_pb2.BlobShape(dim=np.shape(array)))
    # Field 5, packed: protobuf's own way to fill it takes a Python object a number.
    blob.MergeFromString(b"\x2a" + _varint(len(data)) + data)
    return blob


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def to_bytes(net: caffe_pb2.NetParameter, layers: Iterable[LayerWeights]) -> bytes:
    """A net with its layers' arrays as a caffemodel's bytes.

    Args:
        net: the layers' parameters; those that ``layers`` lacks are written without arrays.
        layers: in the net's order, where names occur twice.
    """
    new = deepcopy(net)
    waiting: dict[str, list[LayerWeights]] = {}
    for layer in layers:
        waiting.setdefault(layer.name, []).append(layer)
    for param in new.layer:
        param.ClearField("blobs")
        if found := waiting.get(param.name):
            param.blobs.extend(to_blob(array) for array in found.pop(0).arrays)
    if left := [name for name, found in waiting.items() if found]:
        raise InputError(f'the net has no layer "{left[0]}" to hold its arrays')
    return new.SerializeToString(deterministic=True)


def write_caffemodel(
    path: Path | str, net: caffe_pb2.NetParameter, layers: Iterable[LayerWeights]
) -> None:
    """Write a caffemodel, whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    write_whole(Path(path), to_bytes(net, layers))


def _refuse_other_files(data: bytes, where: str) -> None:
    found = file_type(data)
    if found is not None and found is not CAFFEMODEL:
        raise InputError(f"this is {found.what}, not a caffemodel", where=where, hint=found.hint)
