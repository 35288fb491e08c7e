"""Changes to archives: what they hold, what they say of it, and how it is packed."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
from collections.abc import Callable
from random import Random

from support.fuzz.mutate import odd, raw

PACKED: dict[bytes, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    b"\x1f\x8b": (gzip.decompress, lambda data: gzip.compress(data, mtime=0)),
    b"BZh": (bz2.decompress, bz2.compress),
    b"\xfd7zXZ": (lzma.decompress, lambda data: lzma.compress(data, preset=0)),
}
TYPES = b"0\x0000123456789xgLKSVNMD"


def mutate(data: bytes, random: Random) -> bytes:
    if random.random() < 0.25:
        return raw.mutate(data, random)
    for magic, (unpack, pack) in PACKED.items():
        if data.startswith(magic):
            return pack(tar(unpack(data), random))
    if data.startswith(b"PK"):
        return zip_file(data, random)
    made = tar(data, random)
    return random.choice(list(PACKED.values()))[1](made) if random.random() < 0.05 else made


# zip


def zip_file(data: bytes, random: Random) -> bytes:
    if random.random() < 0.5:
        return _zip_record(data, random)
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(made, "w") as new:
        infos = old.infolist()
        chosen = random.choice(infos)
        for info in infos:
            body = old.read(info)
            for one, held in _entries(info, body, random) if info is chosen else [(info, body)]:
                new.writestr(one, held)
    return made.getvalue()


def _entries(
    info: zipfile.ZipInfo, body: bytes, random: Random
) -> list[tuple[zipfile.ZipInfo, bytes]]:
    new = zipfile.ZipInfo(info.filename)
    new.compress_type = random.choice([0, 0, 0, 8, 8, 12] + [14] * (random.random() < 0.2))
    kind = random.randrange(6)
    if kind == 0:
        new.filename = random.choice([odd.word(random), info.filename + "/", "../" + info.filename])
    elif kind == 1:
        new.external_attr = random.choice([0o120777, 0o060666, 0o010666, 0o040755, 0o100644]) << 16
    elif kind == 2:
        return [(info, body), (new, body)]
    elif kind == 3:
        return []
    elif kind == 4:
        body = random.choice([b"", bytes(1 << 16), body * 3, bytes(3 << 20)])
        new.compress_type = 8
    else:
        body = raw.mutate(body, random)
    return [(new, body)]


def _zip_record(data: bytes, random: Random) -> bytes:
    """A number of a local, central or end record changed."""
    found = [
        (at, size)
        for magic, size in ((b"PK\3\4", 30), (b"PK\1\2", 46), (b"PK\5\6", 22))
        for at in _all(data, magic)
    ]
    if not found:
        return raw.mutate(data, random)
    at, size = random.choice(found)
    form = random.choice("HHI")
    where = at + 4 + 2 * random.randrange((size - 4) // 2)
    piece = struct.pack("<" + form, odd.integer(random) % (1 << 8 * struct.calcsize(form)))
    return data[:where] + piece + data[where + len(piece) :]


def _all(data: bytes, piece: bytes) -> list[int]:
    found, at = [], data.find(piece)
    while at >= 0:
        found.append(at)
        at = data.find(piece, at + 1)
    return found


# tar


def tar(data: bytes, random: Random) -> bytes:
    heads = [at for at in range(0, len(data) - 511, 512) if data[at + 257 : at + 262] == b"ustar"]
    if not heads:
        return raw.mutate(data, random)
    at, kind = random.choice(heads), random.randrange(7)
    head = bytearray(data[at : at + 512])
    if kind == 0:
        head[156] = random.choice(TYPES)
    elif kind == 1:
        name = random.choice(
            [odd.word(random).encode("utf-8", "replace"), b"../a", b"/a", b"\xff", b""]
        )
        head[0:100] = name[:100].ljust(100, b"\0")
    elif kind == 2:
        head[124:136] = _octal(random)
    elif kind == 3:
        return data[:at] + _extended(random) + data[at:]
    elif kind == 4:
        where = random.choice([100, 108, 116, 136, 148, 257, 263, 265, 297, 329, 337, 345])
        head[where : where + 8] = random.choice(
            [b"\xff" * 8, b"\0" * 8, b"7" * 8, random.randbytes(8)]
        )
    elif kind == 5:
        return data[:at] + data[at + 512 * random.randrange(1, 4) :]
    else:
        return data + data[at:]
    return data[:at] + _summed(head) + data[at + 512 :]


def _octal(random: Random) -> bytes:
    value = odd.integer(random)
    if random.random() < 0.3:
        return random.choice([b"\x80", b"\xff"]) + (value % (1 << 64)).to_bytes(11, "big")
    return random.choice(
        [b"%011o\0" % (value % (1 << 33)), b" " * 12, b"-0000000001\0", b"99999999999\0"]
    )


def _summed(head: bytearray) -> bytes:
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head)


def _extended(random: Random) -> bytes:
    """A note of pax, GNU's long name, or a sparse file before an entry."""
    kind = random.choice(
        ["path", "size", "linkpath", "GNU.sparse.major", "GNU.sparse.size", "hdrcharset"]
    )
    value = random.choice([odd.word(random), odd.number(random), "../x", "BINARY", "1"])
    note = f" {kind}={value}\n".encode("utf-8", "replace")
    size = len(note) + len(str(len(note) + 2))
    body = random.choice([str(size).encode() + note, note, b"99999 a=b\n", b"\xff" * 40])
    name, type_ = random.choice([("x", b"x"), ("g", b"g"), ("././@LongLink", b"L"), ("k", b"K")])
    info = tarfile.TarInfo(name)
    info.size, info.type = len(body), type_
    return info.tobuf(tarfile.USTAR_FORMAT) + body.ljust(-(-len(body) // 512) * 512, b"\0")
