"""Where a list is cut into shards: where it was cut before, as far as that can be.

A shard that was built is kept wherever the same entries stand together still. What lies between
those that are kept is cut anew: of a list to which some lines were added, only that is built.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

TRIES = 8  # places in a list at which one shard is looked for


@dataclass(frozen=True, slots=True)
class Known:
    """A shard that was built.

    Attributes:
        first: the picture of its first line. numbers: how many lines it takes.
    """

    name: str
    first: str
    numbers: int


class Entries(Protocol):
    """What is cut; see :class:`ssd_data.data.build.sharding.inputs.ShardInputs`."""

    def __len__(self) -> int:
        """How many lines there are."""

    def first_of(self, start: int) -> str:
        """The picture of a line."""

    def name(self, cut: range) -> str:
        """What the shard of a range is called."""


def cut(entries: Entries, shards: int, known: Iterable[Known] = ()) -> list[tuple[range, str]]:
    """Ranges that make up the list in order, each with its shard's name.

    Those that are kept have about as many lines as one of so many equal shards: half as many at
    least, half as many more at most.

    Args:
        shards: how many there are to be, where nothing is kept.
        known: what was built.
    """
    aim = len(entries) / max(1, min(shards, len(entries)))
    found: list[tuple[range, str]] = []
    start = 0
    fitting = [one for one in known if aim / 2 < one.numbers < 1.5 * aim + 1]
    for kept, name in _kept(entries, fitting):
        found += _anew(entries, start, kept.start, aim)
        found.append((kept, name))
        start = kept.stop
    return found + _anew(entries, start, len(entries), aim)


def _kept(entries: Entries, known: Iterable[Known]) -> Iterator[tuple[range, str]]:
    """The shards that stand in the list, from its start on."""
    by_first: dict[str, list[Known]] = defaultdict(list)
    for one in {one.name: one for one in known}.values():
        by_first[one.first].append(one)
    tries: dict[str, int] = defaultdict(int)
    start = 0
    while by_first and start < len(entries):
        step = 1
        for one in by_first.get(entries.first_of(start), ()):
            place = range(start, start + one.numbers)
            if place.stop > len(entries) or tries[one.name] >= TRIES:
                continue
            if entries.name(place) == one.name:
                yield place, one.name
                step = len(place)
                break
            tries[one.name] += 1
        start += step


def _anew(entries: Entries, start: int, stop: int, aim: float) -> list[tuple[range, str]]:
    """Pieces of almost the same length, about as long as is aimed at."""
    length = stop - start
    count = max(1, round(length / aim)) if length else 0
    edges = [start + length * n // count for n in range(count)] + [stop]
    pieces = [range(a, b) for a, b in pairwise(edges)]
    return [(piece, entries.name(piece)) for piece in pieces]
