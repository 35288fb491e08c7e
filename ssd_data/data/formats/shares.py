"""Shares of pictures that no list divides: drawn once and for all by their names."""

from __future__ import annotations

from random import Random
from typing import Protocol

from ssd_data.core.errors import InputError

RATIO = 0.8  # of training pictures


class Share(Protocol):
    """What a source says of its share: where it begins and ends, 0 to 1, and the shuffle's seed."""

    @property
    def first(self) -> float:
        """Where it begins."""

    @property
    def last(self) -> float:
        """Where it ends."""

    @property
    def seed(self) -> int | float | str:
        """Of the shuffle."""


def share(names: list[str], wanted: Share) -> list[str]:
    """A share of the shuffled names, sorted again; the shares of one seed do not overlap.

    Raises:
        InputError: it begins or ends outside 0 to 1.
    """
    for key, value in (("from", wanted.first), ("to", wanted.last)):
        if not 0 <= value <= 1:
            raise InputError(f'"{key}" is {value!r}, not a share between 0 and 1')
    random = Random(str(wanted.seed))
    shuffled = sorted(names, key=lambda _: random.random())
    return sorted(shuffled[round(wanted.first * len(names)) : round(wanted.last * len(names))])
