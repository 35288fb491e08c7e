"""Names of what commands make for themselves: in a folder, and beside what does not have its name
yet."""

from __future__ import annotations

import re
from itertools import takewhile

STAGING, READY, LOCK = ".staging", ".ready", ".lock"
NEW = "new"  # in a staging folder what takes the name in the end
_HIDDEN = re.compile(r"\.(staging(\.[0-9a-f]{8})?|ready|lock)", re.ASCII)
_BESIDE = re.compile(r"\.(.+)\.staging(\.[0-9a-f]{8})?", re.ASCII | re.DOTALL)
_PART = re.compile(r"\.(.+?)(\.\d+)?\.part", re.ASCII | re.DOTALL)


def is_hidden(name: str) -> bool:
    """Whether this is the name of what commands make for themselves in a folder."""
    return bool(_HIDDEN.fullmatch(name))


def staged_for(name: str) -> str:
    """The result's name, where this is that of a folder beside it in which it is made."""
    made = _BESIDE.fullmatch(name)
    return made[1] if made else ""


def where_seen(place: str) -> str:
    """What is wrong in what is hidden is said of what it becomes.

    >>> where_seen("a/.OUT.part/b2c5/data.mdb"), where_seen(".OUT.staging/new/a.txt")
    ('a/OUT', 'OUT/a.txt')
    >>> where_seen("a/b.part")
    'a/b.part'
    """
    parts = place.split("/")
    for at, part in enumerate(parts):
        piece = _PART.fullmatch(part)
        if piece or is_hidden(part) or staged_for(part):
            name = piece[1] if piece else staged_for(part)
            inside = [] if piece or part == LOCK else parts[at + 1 :]
            shown = takewhile(lambda one: not one.startswith("."), inside[inside[:1] == [NEW] :])
            return "/".join([*parts[:at], *filter(None, [name]), *shown]) or "."
    return place
