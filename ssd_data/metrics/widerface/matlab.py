"""The few structures of MATLAB's files that the truth of WIDER FACE is made of.

Version 5 of the format ("MAT-File Level 5 File Format", MathWorks): cell arrays, text and real
numbers, packed by zlib or not. Files come from strangers: every size is held against the bytes that
are there before it is believed.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ssd_data.core.errors import InputError
from ssd_data.core.files.inside import read_bytes

Array: TypeAlias = npt.NDArray[Any]
MAX_BYTES = 1 << 28  # of a file
MOST_UNPACKED = 1 << 26  # bytes of a variable
MOST_ARRAYS = 1 << 19  # of a file; the whole of WIDER FACE has a hundred thousand
MOST_AXES, DEEPEST = 8, 8
HEADER, HEAD = 128, 1024
HDF5 = b"\x89HDF\r\n\x1a\n"
HINT = "Take ground_truth from the official evaluation (eval_tools.zip)"
SAVE = "Save it in MATLAB with -v7, or take the official file"
MATRIX, PACKED = 14, 15
UINT32, INT32, INT8 = 6, 5, 1
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8"} | {
    12: "i8",
    13: "u8",
}
_TEXTS = {1: "ascii", 2: "ascii", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
CELL, CHAR, NUMERIC, COMPLEX = 1, 4, range(6, 16), 0x08
_CLASSES = {2: "a structure", 3: "an object", 5: "a sparse array", 16: "a function"}


class _MatFaultError(Exception):
    """What is wrong, and at which byte of the part that is read."""

    def __init__(self, at: int, what: str) -> None:
        super().__init__(what)
        self.at = at


def read_mat(path: Path, names: Collection[str]) -> dict[str, Array]:
    """Some of a file's variables; the others are stepped over.

    Returns:
        by its name each that is there: cells an array of objects, text an array of strings (one a
        row), numbers in the type in which they are stored; all of the shape that is stated.

    Raises:
        InputError: it is no such file, of version 7.3, damaged, or a variable is of another kind.
    """
    data = read_bytes(path, "truth", MAX_BYTES)
    order = _byte_order(data, path)
    found: dict[str, Array] = {}
    reader, place = _Part(memoryview(data), order), ""
    try:
        at = HEADER
        while at < len(data):
            kind, start, end, following = reader.element(at)
            if kind == PACKED:
                place = f", packed at byte {at}"
                found |= _unpacked(reader.data[start:end], names, reader)
                place = ""
            elif kind == MATRIX:
                found |= _named(reader, start, end, names)
            at = end if kind == PACKED else following
    except _MatFaultError as error:
        where = f"{path}: byte {error.at}{place}"
        raise InputError(f"not a readable .mat file: {error}", where=where, hint=HINT) from None
    return found


def _byte_order(data: bytes, path: Path) -> str:
    """``<`` or ``>``, by the header."""
    order = {b"IM": "<", b"MI": ">"}.get(data[HEADER - 2 : HEADER])
    version = struct.unpack_from(f"{order}H", data, HEADER - 4)[0] if order else 0
    if version == 0x0200 or HDF5 in (data[:8], data[512:520]):
        text = "a .mat file of version 7.3, which is not read here"
        raise InputError(text, where=path, hint=SAVE)
    if order is None or version != 0x0100:
        text = "not a readable .mat file: it does not begin as MATLAB's version 5"
        raise InputError(text, where=path, hint=HINT)
    return order


def _unpacked(packed: memoryview, names: Collection[str], outer: _Part) -> dict[str, Array]:
    """The variable of a packed part, unpacked only if it is asked for."""
    stream = zlib.decompressobj()
    try:
        data = stream.decompress(packed, HEAD)
        reader = _Part(memoryview(data), outer.order)
        kind, size = reader.tag(0)
        if kind != MATRIX or not size or reader.name(8, len(data))[0] not in names:
            return {}
        if size > MOST_UNPACKED:
            raise _MatFaultError(0, f"a variable of {size:,} bytes, more than {MOST_UNPACKED:,}")
        # A byte more than there should be: so that zlib comes to its checksum, and looks at it.
        data += stream.decompress(stream.unconsumed_tail, max(size + 9 - len(data), 1))
    except zlib.error:
        raise _MatFaultError(0, "it cannot be unpacked") from None
    if not stream.eof or len(data) != size + 8:
        raise _MatFaultError(0, f"{size + 8:,} bytes are stated, it does not unpack to as many")
    inner = _Part(memoryview(data), outer.order, outer.arrays)
    kind, start, end, _ = inner.element(0)
    found = _named(inner, start, end, names)
    outer.arrays = inner.arrays
    return found


def _named(reader: _Part, start: int, end: int, names: Collection[str]) -> dict[str, Array]:
    """A variable by its name; nothing where it is not asked for."""
    if start == end:
        return {}
    name, _ = reader.name(start, end)
    return {name: reader.matrix(start, end)} if name in names else {}


@dataclass
class _Part:
    """Reads the elements of one part; places are bytes of it.

    Attributes:
        order: of the bytes. arrays: how many there were.
    """

    data: memoryview
    order: str
    arrays: int = 0
    empty: Array = field(default_factory=lambda: np.zeros((0, 0)))

    def tag(self, at: int) -> tuple[int, int]:
        """An element's type and size."""
        if at + 8 > len(self.data):
            raise _MatFaultError(at, "it is cut short")
        kind, size = struct.unpack_from(f"{self.order}II", self.data, at)
        return kind, size

    def element(self, at: int, most: int | None = None) -> tuple[int, int, int, int]:
        """An element's type, where its content starts and ends, and where the next one begins.

        Args:
            most: where what holds it ends; by default the part's end.
        """
        most = len(self.data) if most is None else most
        kind, size = self.tag(at)
        start = at + 8
        if kind >> 16:  # a small one: size and content in its tag
            kind, size, start = kind & 0xFFFF, kind >> 16, at + 4
            if size > 4:
                raise _MatFaultError(at, f"a small element of {size} bytes")
        end = start + size
        following = at + 8 if start == at + 4 else end + -size % 8
        if end > most or at + 8 > most:
            raise _MatFaultError(at, f"an element of {size:,} bytes, {most - start:,} are left")
        return kind, start, end, following

    def name(self, start: int, end: int) -> tuple[str, int]:
        """An array's name, and where its content begins."""
        _, _, _, at = self.element(start, end)
        _, _, _, at = self.element(at, end)
        _, first, last, following = self.element(at, end)
        return bytes(self.data[first:last]).decode("ascii", "replace"), following

    def matrix(self, start: int, end: int, depth: int = 0) -> Array:
        """An array: flags, shape, name, content."""
        self.arrays += 1
        if self.arrays > MOST_ARRAYS:
            raise _MatFaultError(start, f"more than {MOST_ARRAYS:,} arrays")
        if start == end:
            return self.empty
        flags = self._integers(start, end, UINT32)
        _, _, _, at = self.element(start, end)
        shape = tuple(self._integers(at, end, INT32))
        if len(flags) != 2 or not 2 <= len(shape) <= MOST_AXES or min(shape) < 0:
            raise _MatFaultError(start, "an array without flags or shape")
        _, at = self.name(start, end)
        kind, special = flags[0] & 0xFF, flags[0] >> 8
        if kind == CELL:
            return self._cells(at, end, shape, depth)
        if kind == CHAR:
            return self._text(at, end, shape)
        if kind not in NUMERIC or special & COMPLEX:
            what = _CLASSES.get(kind, f"an array of class {kind}")
            what = "an array of complex numbers" if kind in NUMERIC else what
            raise _MatFaultError(start, f"{what}, which is not read here")
        return self._numbers(at, end, shape)

    def _integers(self, at: int, end: int, wanted: int) -> list[int]:
        kind, first, last, _ = self.element(at, end)
        if kind != wanted or (last - first) % 4:
            raise _MatFaultError(at, f"an element of type {kind} where {wanted} should stand")
        letter = "I" if wanted == UINT32 else "i"
        found = struct.unpack(f"{self.order}{(last - first) // 4}{letter}", self.data[first:last])
        return [int(number) for number in found]

    def _cells(self, at: int, end: int, shape: tuple[int, ...], depth: int) -> Array:
        count = math.prod(shape)
        if count * 8 > end - at:
            raise _MatFaultError(at, f"{count:,} cells do not fit into {end - at:,} bytes")
        if depth >= DEEPEST:
            raise _MatFaultError(at, f"cells in cells, more than {DEEPEST} deep")
        cells = np.empty(count, object)
        for index, (start, last) in enumerate(self._arrays(at, end, count)):
            cells[index] = self.matrix(start, last, depth + 1)
        return _shaped(cells, shape, at)

    def _arrays(self, at: int, end: int, count: int) -> Iterator[tuple[int, int]]:
        for _ in range(count):
            kind, start, last, following = self.element(at, end)
            if kind != MATRIX:
                raise _MatFaultError(at, f"an element of type {kind} where an array should stand")
            yield start, last
            at = following

    def _text(self, at: int, end: int, shape: tuple[int, ...]) -> Array:
        """A string a row."""
        kind, first, last, _ = self.element(at, end)
        codec = _TEXTS.get(kind)
        if codec is None:
            raise _MatFaultError(at, f"text of type {kind}")
        width = "" if codec in ("ascii", "utf-8") else {"<": "-le", ">": "-be"}[self.order]
        try:
            text = bytes(self.data[first:last]).decode(codec + width)
        except UnicodeDecodeError:
            raise _MatFaultError(first, f"text that is not {codec}") from None
        rows = shape[0]
        if len(text) != math.prod(shape):
            stated = " x ".join(map(str, shape))
            raise _MatFaultError(at, f"{len(text):,} characters where {stated} are stated")
        return np.array([text[row::rows] for row in range(rows)] if text else [], np.str_)

    def _numbers(self, at: int, end: int, shape: tuple[int, ...]) -> Array:
        kind, first, last, _ = self.element(at, end)
        if kind not in _NUMBERS:
            raise _MatFaultError(at, f"numbers of type {kind}")
        dtype = np.dtype(self.order + _NUMBERS[kind])
        if math.prod(shape) * dtype.itemsize != last - first:
            stated = " x ".join(map(str, shape))
            raise _MatFaultError(at, f"{last - first:,} bytes where {stated} numbers are stated")
        return _shaped(np.frombuffer(self.data[first:last], dtype), shape, at)


def _shaped(values: Array, shape: tuple[int, ...], at: int) -> Array:
    """Values in MATLAB's order, the first axis fastest."""
    try:
        return values.reshape(shape, order="F")
    except ValueError:  # an empty array of axes that no memory holds
        raise _MatFaultError(at, f"an array of shape {shape}") from None
