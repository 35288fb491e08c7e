"""Changes to bytes of any kind."""

from __future__ import annotations

import struct
from random import Random

from support.fuzz.mutate import odd

MOST_BYTES = 1 << 20


def mutate(data: bytes, random: Random) -> bytes:
    return random.choice(CHANGES)(bytearray(data), random)


def place(data: bytearray, random: Random) -> int:
    return random.randrange(len(data) + 1)


def overwrite(data: bytearray, random: Random) -> bytes:
    at, piece = place(data, random), random.randbytes(random.choice([1, 1, 2, 4, 8]))
    data[at : at + len(piece)] = piece
    return bytes(data)


def flip(data: bytearray, random: Random) -> bytes:
    if data:
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    return bytes(data)


def put_number(data: bytearray, random: Random) -> bytes:
    """An integer or real of some width, in either byte order."""
    form = random.choice("BHIQfd")
    number = odd.integer(random) % (1 << 8 * struct.calcsize(form)) if form in "BHIQ" else 0
    chosen = number if form in "BHIQ" else random.choice(odd.REALS)
    try:
        piece = struct.pack(random.choice("<>") + form, chosen)
    except OverflowError:
        piece = b"\xff\xff\x7f\x7f"
    at = place(data, random)
    data[at : at + len(piece)] = piece
    return bytes(data)


def insert(data: bytearray, random: Random) -> bytes:
    at = place(data, random)
    data[at:at] = random.choice([random.randbytes(random.choice([1, 2, 9])), bytes(4), b"\xff" * 3])
    return bytes(data)


def delete(data: bytearray, random: Random) -> bytes:
    at = place(data, random)
    del data[at : at + random.choice([1, 1, 2, 4, 8, 40, 400])]
    return bytes(data)


def double(data: bytearray, random: Random) -> bytes:
    at, size = place(data, random), random.choice([1, 4, 16, 64, 400])
    data[at:at] = data[at : at + size] * random.choice([1, 1, 1, 20])
    return bytes(data[:MOST_BYTES])


def move(data: bytearray, random: Random) -> bytes:
    at, size = place(data, random), random.choice([1, 4, 16, 64, 400])
    piece = data[at : at + size]
    del data[at : at + size]
    at = place(data, random)
    data[at:at] = piece
    return bytes(data)


def cut(data: bytearray, random: Random) -> bytes:
    return bytes(data[: place(data, random)])


def grow(data: bytearray, random: Random) -> bytes:
    return bytes(data) + random.choice([b"\0", b"\n", b"\xff" * 16, bytes(data[:64]), bytes(5000)])


def not_text(data: bytearray, random: Random) -> bytes:
    at, piece = place(data, random), random.choice(odd.NOT_TEXT)
    data[at : at + random.choice([0, len(piece)])] = piece
    return bytes(data)


CHANGES = (
    *(overwrite, overwrite, flip, flip, put_number, put_number, insert, delete, double, move),
    *(cut, grow, not_text),
)
