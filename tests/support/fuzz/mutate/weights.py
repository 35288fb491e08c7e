"""Changes to the state dicts of PyTorch: pickles in zip files, and safetensors."""

from __future__ import annotations

import io
import pickletools
import struct
import zipfile
from random import Random

from support.fuzz.mutate import archives, json_tree, odd, raw


def pth(data: bytes, random: Random) -> bytes:
    """Its pickle or a storage changed, stored as torch stores it; or the zip file itself."""
    if random.random() < 0.3:
        return archives.mutate(data, random)
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(made, "w") as new:
        names = old.namelist()
        pickles = [name for name in names if name.endswith("data.pkl")]
        chosen = random.choice([*pickles * 6, *names])
        for name in names:
            body = old.read(name)
            if name == chosen:
                body = pickled(body, random) if name in pickles else raw.mutate(body, random)
            new.writestr(zipfile.ZipInfo(name), body)
    return made.getvalue()


def pickled(data: bytes, random: Random) -> bytes:
    """One step of the pickle's program changed, doubled or left out."""
    steps = list(pickletools.genops(data))
    ends = [at for _, _, at in steps[1:]] + [len(data)]
    number = random.randrange(len(steps))
    (step, argument, at), end = steps[number], ends[number]
    kind = random.randrange(6)
    new = data[at:end]
    if isinstance(argument, int) and step.name not in ("PROTO", "BINPUT", "BINGET") and kind < 4:
        new = _integer(random)
    elif isinstance(argument, str) and kind < 3:
        text = random.choice(
            [odd.word(random), "torch._utils _rebuild_tensor_v2", "os system", argument]
        )
        letters = text.encode("utf-8", "surrogatepass")
        new = b"X" + struct.pack("<I", len(letters)) + letters
        if step.name == "GLOBAL":
            new = b"c" + letters.replace(b" ", b"\n", 1) + b"\n"
    elif kind == 3:
        new = b""
    elif kind == 4:
        new = new * 2
    else:
        new = random.choice(
            [b"N", b"]", b"}", b")", b"\x88", b"(", b"t", b"R", b"0", b"2", b"Q", b"."]
        )
    return data[:at] + new + data[end:]


def _integer(random: Random) -> bytes:
    value = odd.integer(random) * random.choice([1, 1, -1])
    if -(1 << 31) <= value < 1 << 31:
        return b"J" + struct.pack("<i", value)
    letters = value.to_bytes(9, "little", signed=True) if abs(value) < 1 << 70 else b"\xff" * 9
    return b"\x8a\x09" + letters


def safetensors(data: bytes, random: Random) -> bytes:
    """Its header changed, its length made to fit, or not."""
    if len(data) < 8 or random.random() < 0.2:
        return raw.mutate(data, random)
    (size,) = struct.unpack_from("<Q", data)
    if size > len(data):
        return raw.mutate(data, random)
    head, body = data[8 : 8 + size], data[8 + size :]
    head = json_tree.mutate(head, random)
    stated = len(head) if random.random() < 0.9 else odd.integer(random) % (1 << 64)
    return struct.pack("<Q", stated) + head + body
