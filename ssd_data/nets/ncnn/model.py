"""ncnn's files: layers with their numbered parameters as text, and their arrays in one row."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from ssd_data.nets.layer_step import Array

Number: TypeAlias = int | float
Param: TypeAlias = Number | Sequence[Number]
MAGIC = 7767517
HALF, BYTES = 0x01306B47, 0x000D4B38  # what stands before weights of 16 and of 8 bits
LIST = 23300  # a list's key is -23300 less its number
MOST_HALF = float(np.finfo(np.float16).max)
SPLIT = "Split"


@dataclass(slots=True)
class NcnnLayer:
    """A layer.

    Attributes:
        type, name: as ncnn calls it. bottoms, tops: names of its blobs; no two layers write one.
        params: its parameters by number.
        weight: its first array, which may be stored in 16 or 8 bits; None where it has none.
        arrays: the others, always float32.
    """

    type: str
    name: str
    bottoms: list[str]
    tops: list[str]
    params: dict[int, Param] = field(default_factory=dict)
    weight: Array | None = None
    arrays: list[Array] = field(default_factory=list)

    def line(self) -> str:
        """Its line of the ``.param``."""
        counts = f"{len(self.bottoms)} {len(self.tops)}"
        params = [_param(key, value) for key, value in sorted(self.params.items())]
        blobs = [*self.bottoms, *self.tops]
        return " ".join([f"{self.type:<24} {self.name:<24} {counts}", *blobs, *params])


@dataclass(frozen=True, slots=True)
class NcnnModel:
    """A net.

    Attributes:
        layers: in the order in which they run; a blob may be read more than once.
    """

    layers: list[NcnnLayer]

    def text(self) -> str:
        """The ``.param``. What is read more than once goes through a Split, as ncnn wants it."""
        layers = with_splits(self.layers)
        blobs = sum(len(layer.tops) for layer in layers)
        head = [str(MAGIC), f"{len(layers)} {blobs}"]
        return "\n".join([*head, *(layer.line() for layer in layers), ""])

    def data(self, half: bool = False) -> bytes:
        """The ``.bin``.

        Args:
            half: weights in half precision, where it can hold them.
        """
        parts = []
        for layer in self.layers:
            if layer.weight is not None:
                parts.append(_weight(layer.weight, half))
            parts += [np.asarray(array, "<f4").tobytes() for array in layer.arrays]
        return b"".join(parts)


def _param(key: int, value: Param) -> str:
    if isinstance(value, int | float):
        return f"{key}={_number(value)}"
    numbers = ",".join([str(len(value)), *map(_number, value)])
    return f"-{LIST + key}={numbers}"


def _number(value: Number) -> str:
    """As ncnn reads it: 15 letters at most, 9 digits on either side of the point; one makes it a
    float."""
    if isinstance(value, int):
        return str(value)
    return f"{float(np.float32(value)):.8e}"


def _weight(array: Array, half: bool) -> bytes:
    if array.dtype == np.int8:
        return _tagged(BYTES, array.tobytes())
    if half and np.abs(array).max(initial=0) <= MOST_HALF:
        return _tagged(HALF, np.asarray(array, "<f2").tobytes())
    return _tagged(0, np.asarray(array, "<f4").tobytes())


def _tagged(tag: int, data: bytes) -> bytes:
    return tag.to_bytes(4, "little") + data + bytes(-len(data) % 4)


def with_splits(layers: Iterable[NcnnLayer]) -> list[NcnnLayer]:
    """The layers with a Split behind each blob that several read, whose tops they read instead."""
    layers = list(layers)
    counts = Counter(blob for layer in layers for blob in layer.bottoms)
    waiting: dict[str, list[str]] = {}
    made = []
    for layer in layers:
        bottoms = [waiting[blob].pop(0) if blob in waiting else blob for blob in layer.bottoms]
        made.append(NcnnLayer(layer.type, layer.name, bottoms, layer.tops, layer.params))
        for top in layer.tops:
            if counts[top] > 1:
                tops = [f"{top}_split_{i}" for i in range(counts[top])]
                made.append(NcnnLayer(SPLIT, f"split_{top}", [top], tops))
                waiting[top] = list(tops)
    return made


def plain_name(wanted: str) -> str:
    """A name as ncnn reads it: without blanks, and not too long."""
    return re.sub(r"[^\w./-]", "_", wanted, flags=re.ASCII)[:80] or "value"


def renamed(layers: Sequence[NcnnLayer], names: Mapping[str, str]) -> None:
    """Give blobs other names."""
    for layer in layers:
        layer.bottoms = [names.get(blob, blob) for blob in layer.bottoms]
        layer.tops = [names.get(blob, blob) for blob in layer.tops]
