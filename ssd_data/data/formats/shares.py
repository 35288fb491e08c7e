"""Shares of pictures whose splits nothing says: drawn by a seed, or stretches of an order."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TypeVar

import msgspec

from ssd_data.core.errors import InputError

T = TypeVar("T")
RATIO = 0.8  # of training pictures
TOO_FEW = "no split is stated, and there is one picture only: it is trainval"


class SharedSource(msgspec.Struct, frozen=True, kw_only=True):
    """A source that may take a share of its pictures only.

    Attributes:
        first, last: where the share begins and ends, 0 to 1; ``from`` and ``to`` in a recipe.
        seed: of the shuffle that shares are cut from.
    """

    first: float = msgspec.field(default=0.0, name="from")
    last: float = msgspec.field(default=1.0, name="to")
    seed: int | float | str = 0

    @property
    def is_whole(self) -> bool:
        """Whether it takes all."""
        return (self.first, self.last) == (0, 1)

    def share_of(self, items: Sequence[T]) -> list[T]:
        """The items that it takes, in their order.

        Raises:
            InputError: the share is none.
        """
        return share(items, self.first, self.last, self.seed)


S = TypeVar("S", bound=SharedSource)


def shared_out(sources: Sequence[S]) -> dict[str, list[S]]:
    """The splits of sources of which each training takes the most, tests the rest."""
    shares = {"trainval": (0.0, RATIO), "test": (RATIO, 1.0)}
    return {
        split: [msgspec.structs.replace(one, first=first, last=last) for one in sources]
        for split, (first, last) in shares.items()
    }


def share(items: Sequence[T], first: float, last: float, seed: int | float | str | None) -> list[T]:
    """A share of the shuffled items, in their own order; the shares of one seed do not overlap.

    Where two shares part two or more items, each has one.

    >>> share("abcde", 0.0, 0.4, 0), share("abcde", 0.4, 1.0, 0)
    (['a', 'e'], ['b', 'c', 'd'])

    Args:
        first, last: where the share begins and ends, 0 to 1.
        seed: of the shuffle; without one, nothing is shuffled: shares are stretches.

    Raises:
        InputError: they lie outside.
    """
    for key, value in (("from", first), ("to", last)):
        if not 0 <= value <= 1:
            raise InputError(f'"{key}" is {value!r}, not a share between 0 and 1')
    if (first, last) == (0, 1):
        return list(items)
    shuffled = list(range(len(items)))
    if seed is not None:
        random = Random(str(seed))
        shuffled.sort(key=lambda _: random.random())
    begin, end = (_cut(part, len(items)) for part in (first, last))
    chosen = shuffled[begin:end]
    return [items[index] for index in sorted(chosen)]


def _cut(part: float, count: int) -> int:
    at = round(part * count)
    return min(max(at, 1), count - 1) if 0 < part < 1 and count > 1 else at
