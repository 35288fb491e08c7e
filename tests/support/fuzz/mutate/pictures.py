"""Changes to pictures: segments of JPEG, chunks of PNG and WebP, tags of TIFF and EXIF."""

from __future__ import annotations

import struct
import zlib
from functools import cache
from random import Random

from support.fuzz.mutate import odd, raw

SIDES = (0, 1, 8, 15, 16, 17, 64, 320, 4000, 16383, 32768, 65500, 65535)


def mutate(data: bytes, random: Random) -> bytes:
    if random.random() < 0.25:
        return raw.mutate(data, random)
    if data.startswith(b"\xff\xd8"):
        return jpeg(data, random)
    if data.startswith(b"\x89PNG"):
        return png(data, random)
    return header(data, random)


def header(data: bytes, random: Random) -> bytes:
    """An odd number into the first bytes, where sizes stand; or anywhere, as TIFF has them last."""
    changed = bytearray(data)
    end = min(len(data), random.choice([16, 64, 200, len(data)]))
    at = random.randrange(end + 1)
    form = random.choice("BHHII")
    value = random.choice([random.choice(SIDES), odd.integer(random)]) % (
        1 << 8 * struct.calcsize(form)
    )
    piece = struct.pack(random.choice("<>") + form, value)
    changed[at : at + len(piece)] = piece
    return bytes(changed)


def segments(data: bytes) -> tuple[list[bytes], bytes]:
    """A JPEG's segments with their markers, and what comes from the scan on."""
    found, at = [], 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] == 0xDA:
            break
        found.append(data[at : at + 2 + size])
        at += 2 + size
    return found, data[at:]


def jpeg(data: bytes, random: Random) -> bytes:
    found, rest = segments(data)
    if not found:
        return raw.mutate(data, random)
    at, kind = random.randrange(len(found)), random.randrange(11)
    if kind == 0:
        del found[at]
    elif kind == 1:
        found.insert(random.randrange(len(found) + 1), found[at])
    elif kind == 2:
        found.insert(random.randrange(len(found)), found.pop(at))
    elif kind == 3:
        found[at] = found[at][:4] + raw.mutate(found[at][4:], random)
    elif kind == 4:
        found[at] = found[at][:2] + struct.pack(">H", random.choice(SIDES)) + found[at][4:]
    elif kind in (5, 6):
        found = [_frame(one, random) for one in found]
    elif kind == 7:
        found.insert(
            at, random.choice([b"\xff\x00", b"\xff\xff\xff", b"\0\0", b"\xff\xd0", b"\xff\x01"])
        )
    elif kind == 8:
        found.insert(0, exif(random))
    elif kind == 9:
        rest = raw.mutate(rest, random)
    else:
        rest = rest[: random.randrange(len(rest) + 1)] + random.choice(
            [b"", b"\xff\xd9", b"\xff\xd8"]
        )
    return b"\xff\xd8" + b"".join(found) + rest


def _frame(segment: bytes, random: Random) -> bytes:
    """The frame's header with another kind, size or sampling."""
    if segment[1] not in (0xC0, 0xC1, 0xC2):
        return segment
    changed = bytearray(segment)
    kind = random.randrange(4)
    if kind == 0:
        changed[1] = random.choice([0xC0, 0xC1, 0xC2, 0xC3, 0xC9, 0xCA, 0xF7])
    elif kind == 1:
        at = random.choice([5, 7])
        changed[at : at + 2] = struct.pack(">H", random.choice(SIDES))
    elif kind == 2:
        changed[random.randrange(len(changed))] = random.choice(
            [0, 1, 2, 3, 4, 8, 12, 0x11, 0x44, 255]
        )
    else:
        changed[9] = random.choice([0, 1, 2, 3, 4, 5])
    return bytes(changed)


def exif(random: Random) -> bytes:
    entry = struct.pack(
        "<HHII",
        random.choice([0x112, 0x112, 0x8769, 0x100]),
        random.choice([3, 3, 4, 2, 0, 99]),
        random.choice([1, 0, 2, 1 << 31]),
        random.choice([*range(10), odd.integer(random) % (1 << 32)]),
    )
    count = struct.pack("<H", random.choice([1, 1, 0, 2, 65535]))
    body = (
        b"Exif\0\0II\x2a\0"
        + struct.pack("<I", random.choice([8, 8, 8, 0, 1 << 30]))
        + count
        + entry
    )
    body += struct.pack("<I", random.choice([0, 0, 8, 1 << 20]))
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 8
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    return found


def png(data: bytes, random: Random) -> bytes:
    found = chunks(data)
    if not found:
        return raw.mutate(data, random)
    at, kind = random.randrange(len(found)), random.randrange(9)
    name, body = found[at]
    if kind == 0:
        del found[at]
    elif kind == 1:
        found.insert(random.randrange(len(found) + 1), found[at])
    elif kind == 2:
        found[at] = (name, raw.mutate(body, random))
    elif kind in (3, 4) and found[0][0] == b"IHDR":
        head = bytearray(found[0][1])
        if random.random() < 0.6:
            where = random.choice([0, 4])
            head[where : where + 4] = struct.pack(
                ">I", random.choice([*SIDES, 1 << 20, (1 << 31) - 1])
            )
        else:
            head[random.randrange(8, 13)] = random.choice([0, 1, 2, 3, 4, 6, 8, 16, 255])
        found[0] = (b"IHDR", bytes(head))
    elif kind == 5:
        found.insert(1, _extra(random))
    elif kind == 6 and name == b"IDAT":
        found[at] = (name, zlib.compress(raw.mutate(zlib.decompress(body), random)))
    elif kind == 7:
        found.append((b"IEND", b""))
    else:
        found[at] = (
            random.choice([b"IDAT", b"PLTE", b"tRNS", b"fcTL", b"eXIf", b"abcd", b"\0\0\0\0"]),
            body,
        )
    made = [
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in found
    ]
    return data[:8] + b"".join(made)


@cache
def _bomb(size: int) -> bytes:
    return zlib.compress(bytes(size), 9)


def _extra(random: Random) -> tuple[bytes, bytes]:
    bomb = _bomb(random.choice([10, 100_000, 30 << 20]))
    return random.choice(
        [
            (b"zTXt", b"a\0\0" + bomb),
            (b"iTXt", b"a\0\1\0\0\0" + bomb),
            (b"iCCP", b"a\0\0" + bomb),
            (b"tEXt", b"a\0" + b"x" * 3000),
            (b"PLTE", bytes(3 * random.choice([0, 1, 256, 257]))),
            (b"tRNS", random.randbytes(random.choice([0, 1, 2, 6, 256]))),
            (b"acTL", struct.pack(">II", odd.integer(random) % (1 << 32), 0)),
            (b"fcTL", random.randbytes(26)),
            (b"eXIf", exif(random)[10:]),
            (b"gAMA", random.randbytes(4)),
            (b"pHYs", random.randbytes(9)),
        ]
    )
