"""How long work shows how far it is: whoever calls it may wrap what it goes through."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

_T = TypeVar("_T")


class Track(Protocol):
    """Gives the items back in their order, and may show how many have gone by."""

    def __call__(self, items: Iterable[_T], total: int, what: str, /) -> Iterable[_T]:
        """The items, of which there are ``total``; ``what`` names them."""


def untracked(items: Iterable[_T], total: int, what: str) -> Iterable[_T]:
    """Shows nothing."""
    return items
