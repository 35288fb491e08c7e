"""Changes to an LMDB's ``data.mdb``: its two meta pages, and what pages say of their nodes."""

from __future__ import annotations

import struct
from random import Random

from support.fuzz.mutate import odd, raw

PAGE = 4096
FLAGS = (0, 1, 2, 4, 8, 0x10, 0x20, 0x22, 0x40, 0x42, 0x4000, 0x8000, 0xFFFF)


def mutate(data: bytes, random: Random) -> bytes:
    count = max(len(data) // PAGE, 1)
    page, kind = random.randrange(count), random.randrange(12)
    start = page * PAGE
    if kind == 0:
        return raw.mutate(data, random)
    if kind == 1:
        other = random.randrange(count) * PAGE
        return data[:start] + data[other : other + PAGE] + data[start + PAGE :]
    if kind == 2:
        return data[:start] if random.random() < 0.5 else data[: random.randrange(len(data) + 1)]
    if kind in (3, 4):
        return _put(data, random.choice([0, PAGE]) + _field(META, random), random, count)
    if kind in (5, 6):
        return _put(data, start + _field(HEAD, random), random, count)
    if kind == 7:
        flags = struct.pack("<H", random.choice(FLAGS))
        return data[: start + 10] + flags + data[start + 12 :]
    nodes = _nodes(data, start)
    if kind == 8 or not nodes:
        where = start + 16 + 2 * random.randrange(30)
        return _put(data, where, random, count)
    node = start + random.choice(nodes)
    return _put(data, node + random.choice([0, 2, 4, 6, 8]), random, count)


HEAD = (0, 8, 10, 12, 14, 16, 18)  # number, pad, flags, lower, upper, the first nodes
META = (
    0,
    16,
    20,
    24,
    32,
    40,
    44,
    48,
    56,
    64,
    72,
    80,
    88,
    92,
    96,
    104,
    112,
    120,
    128,
    136,
    144,
    152,
)


def _field(places: tuple[int, ...], random: Random) -> int:
    return random.choice(places)


def _nodes(data: bytes, start: int) -> list[int]:
    """Where a page's nodes stand in it."""
    if start + 16 > len(data):
        return []
    lower = min(struct.unpack_from("<H", data, start + 12)[0], PAGE)
    found = [struct.unpack_from("<H", data, at)[0] for at in range(start + 16, start + lower - 1, 2)
             if at + 2 <= len(data)]  # fmt: skip
    return [at for at in found if 16 <= at <= PAGE - 8]


def _put(data: bytes, at: int, random: Random, pages: int) -> bytes:
    form = random.choice("HHIQQ")
    own = [0, 1, pages - 1, pages, pages + 1, random.randrange(pages), PAGE, PAGE - 1, PAGE * pages]
    value = random.choice([random.choice(own), odd.integer(random)]) % (
        1 << 8 * struct.calcsize(form)
    )
    piece = struct.pack("<" + form, value)
    return data[:at] + piece + data[at + len(piece) :]
