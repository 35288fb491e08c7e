"""Changes to MATLAB's files of version 5: elements' kinds, sizes, dimensions, flags and bytes.

https://www.mathworks.com/help/pdf_doc/matlab/matfile_format.pdf
"""

from __future__ import annotations

import struct
import zlib
from random import Random

from support.fuzz.mutate import odd, raw

MATRIX, COMPRESSED = 14, 15
KINDS = (0, 1, 2, 3, 4, 5, 6, 7, 9, 12, 13, 14, 15, 16, 17, 18, 255)
CLASSES = (0, 1, 2, 3, 4, 5, 6, 8, 9, 12, 15, 16, 17, 255)


def mutate(data: bytes, random: Random) -> bytes:
    if random.random() < 0.2 or len(data) < 136:
        return raw.mutate(data, random)
    tops = elements(data, 128, len(data))
    if not tops:
        return raw.mutate(data, random)
    at, kind, size = random.choice(tops)
    body = data[at + 8 : at + 8 + size]
    if kind == COMPRESSED:
        packed = zlib.compress(_changed(zlib.decompress(body), random))
        return data[:at] + struct.pack("<II", kind, len(packed)) + packed + data[at + 8 + size :]
    return data[:at] + _changed(data[at : at + 8 + size], random) + data[at + 8 + size :]


def elements(data: bytes, at: int, end: int) -> list[tuple[int, int, int]]:
    """Where elements begin, their kinds and sizes; small ones have both in four bytes."""
    found = []
    while at + 8 <= end:
        kind, size = struct.unpack_from("<II", data, at)
        if kind >> 16:
            found.append((at, kind & 0xFFFF, kind >> 16))
            at += 8
            continue
        found.append((at, kind, size))
        at += 8 + size + (-size % 8 if kind != COMPRESSED else 0)
    return found


def _all(data: bytes, at: int, end: int, depth: int = 0) -> list[tuple[int, int, int]]:
    found = []
    for one in elements(data, at, end):
        found.append(one)
        if one[1] == MATRIX and depth < 8:
            found += _all(data, one[0] + 8, min(end, one[0] + 8 + one[2]), depth + 1)
    return found


def _changed(data: bytes, random: Random) -> bytes:
    found = _all(data, 0, len(data))
    if not found:
        return raw.mutate(data, random)
    at, kind, size = random.choice(found)
    changed = bytearray(data)
    what = random.randrange(8)
    if what == 0:
        changed[at : at + 4] = struct.pack("<I", random.choice(KINDS))
    elif what == 1:
        changed[at + 4 : at + 8] = struct.pack("<I", odd.integer(random) % (1 << 32))
    elif what == 2:
        small = random.choice([0, 1, 2, 3, 4, 5, 255]) << 16 | random.choice(KINDS)
        changed[at : at + 4] = struct.pack("<I", small)
    elif what == 3 and size:
        where = at + 8 + 4 * random.randrange(-(-size // 4))
        changed[where : where + 4] = struct.pack("<I", odd.integer(random) % (1 << 32))
    elif what == 4 and kind == MATRIX and size >= 16:  # its class and flags
        changed[at + 16] = random.choice(CLASSES)
        changed[at + 17] = random.choice([0, 0, 2, 4, 8, 15, 255])
    elif what == 5:
        del changed[at : at + 8 + size]
    elif what == 6:
        changed[at:at] = data[at : at + 8 + size]
    else:
        return raw.mutate(data, random)
    return bytes(changed)
