"""``shards.json``: the LMDBs of which a sharded LMDB consists, in order.

It lies in a folder that stands where an LMDB stands, beside a folder for each shard, which is an
ordinary LMDB. ``numbered`` keys are ``%08d_<image path>``, as a build writes them, and counted from
0 in each shard: what is read is the number with the shard's offset added. So a shard stays the same
file when others come before it. Other keys are ``stored`` as they are read, and rise over all.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Literal

import msgspec

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import read_text
from ssd_data.core.files.typed import plain, typed
from ssd_data.core.version import __version__

SHARDS = "shards.json"
VERSION = 1
MAX_BYTES, MOST_NUMBERS = 256 << 20, 10**8  # keys have eight digits
DIGITS = 8
_NAME = re.compile("[0-9a-f]{32}")
Keys = Literal["numbered", "stored"]


class Shard(msgspec.Struct, frozen=True):
    """One shard.

    Attributes:
        name: its folder's, 32 hexadecimal digits of what it was made of.
        records: how many it has; bytes: of all its values.
        numbers: how many numbers of the list it takes, those without a record included.
        offset: what its keys' numbers are counted from.
        content_digest: SHA-256 of its keys, as stored, and values.
    """

    name: str
    records: int
    numbers: int
    offset: int
    bytes: int
    content_digest: str


class ShardTable(msgspec.Struct, frozen=True):
    """All of ``shards.json``.

    Attributes:
        version: of its form.
        keys: whether keys are numbered from each shard's offset, or stored as they are read.
        shards: in order. One that holds the same as another is named twice, and lies there once.
    """

    version: int
    keys: Keys
    shards: list[Shard]

    @property
    def records(self) -> int:
        """How many there are in all."""
        return sum(shard.records for shard in self.shards)

    def to_text(self) -> str:
        """The text of ``shards.json``, a line a shard."""
        lines = ",\n".join(f"  {json.dumps(plain(shard))}" for shard in self.shards)
        head = f'{{"version": {self.version}, "keys": "{self.keys}", "shards": [\n'
        return f"{head}{lines}\n]}}\n"


def named_after(*what: object) -> str:
    """A shard's name, which tells what it was made of."""
    return hashlib.sha256(repr(what).encode()).hexdigest()[:32]


def is_name(name: str) -> bool:
    """Whether a shard may be called so: it names a folder, and no path."""
    return bool(_NAME.fullmatch(name))


def placed(shards: Sequence[Shard]) -> list[Shard]:
    """The same shards, each with the offset that those before it give it."""
    offsets = accumulate((shard.numbers for shard in shards), initial=0)
    return [
        msgspec.structs.replace(shard, offset=offset)
        for shard, offset in zip(shards, offsets, strict=False)
    ]


def read_shards(folder: Path) -> ShardTable:
    """What a folder's ``shards.json`` says.

    Raises:
        InputError: it is missing, a later version's, or says what cannot be.
    """
    path = folder / SHARDS
    text = read_text(path, "list of shards", MAX_BYTES)
    try:
        table = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"cannot read the list of shards: {error}", where=path) from None
    version = table.get("version") if isinstance(table, dict) else None
    if isinstance(version, int) and version > VERSION:
        raise InputError(
            f"a later version wrote this list of shards (its form is {version}, ssd-data "
            f"{__version__} reads {VERSION})",
            where=path,
            hint="Read it with a newer ssd-data",
        )
    found = typed(table, ShardTable, str(path))
    for place, what in _faults(found):
        raise InputError(what, where=f"{path}: {place}" if place else path)
    return found


def _faults(table: ShardTable) -> Iterator[tuple[str, str]]:
    """What no list of shards has, and where."""
    if table.version != VERSION:
        yield "version", f"there is no version {table.version}"
    if not table.shards:
        yield "shards", "there is no shard"
    offset, same = 0, dict[str, Shard]()
    for number, shard in enumerate(table.shards):
        place = f"shards[{number}]"
        if not is_name(shard.name):
            yield f"{place}.name", f'"{shard.name}" is no name of a shard (32 digits of 0-9a-f)'
        least = 0 if table.keys == "numbered" else max(1, shard.numbers)
        if not least <= shard.records <= shard.numbers or not shard.numbers:
            yield place, f"{shard.records} records of {shard.numbers} numbers cannot be"
        if shard.offset != offset:
            yield f"{place}.offset", f"it is {shard.offset}, after the others {offset}"
        first = same.setdefault(shard.name, shard)
        if msgspec.structs.replace(shard, offset=0) != msgspec.structs.replace(first, offset=0):
            yield place, "another shard of this name is described otherwise"
        offset += shard.numbers
        if offset > MOST_NUMBERS:
            yield place, f"more than {MOST_NUMBERS:,} numbers, which is all that keys can count"


def as_read(key: bytes, offset: int) -> bytes | None:
    """A numbered key as it is read; None of one that has no number.

    >>> as_read(b"00000007_a.jpg", 1000)
    b'00001007_a.jpg'
    """
    number = number_of(key)
    return None if number is None else b"%08d%b" % (number + offset, key[DIGITS:])


def number_of(key: bytes) -> int | None:
    """A key's number; None of one that has none of eight digits.

    >>> number_of(b"00000007_a.jpg"), number_of(b"7_a.jpg")
    (7, None)
    """
    digits = key[:DIGITS]
    is_number = len(digits) == DIGITS and digits.isdigit() and key[DIGITS : DIGITS + 1] == b"_"
    return int(digits) if is_number else None
