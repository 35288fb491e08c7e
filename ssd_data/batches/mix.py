"""Several sources as one stream: which one's turn it is at a position, and with which record.

The stream is cut into rounds. A round has as many positions as the weights' sum; in it each source
has its turn as often as its weight says, in an order drawn from the seed and the round's number
alone. Turn by turn a source gives its records in their order, and after the last the first again.
So a position's record follows from seed, weights, numbers of records and position, by the work of
one round: nothing is kept of what was read before.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

_WORD = 1 << 64
_KEPT = 4096  # positions whose rounds are remembered: of those that threads ask for at once
_APART = 1  # a word of the generator's counter: what happens to pictures is drawn from 0

_Numbers = npt.NDArray[np.int32]


class Share(NamedTuple):
    """A source of a mix: an LMDB's folder, and its turns in each round."""

    source: str
    weight: int


class Mix:
    """Which record stands at a position.

    >>> mix = Mix([1, 2], [5, 3], seed=0)
    >>> [mix.at(position) for position in range(6)]  # twice in three times the second's turn
    [(1, 0), (0, 0), (1, 1), (0, 1), (1, 2), (1, 0)]

    Args:
        weights: of each source its turns in a round, at least 1.
        counts: of each its records, at least 1.
        seed: of the order within the rounds.

    Attributes:
        turns: positions of a round.
    """

    def __init__(self, weights: Sequence[int], counts: Sequence[int], seed: int) -> None:
        self.weights, self.counts, self.turns = [*weights], [*counts], sum(weights)
        self.seed = seed
        self._sources = np.repeat(np.arange(len(self.weights), dtype=np.int32), self.weights)
        self._starts = np.cumsum([0, *self.weights[:-1]], dtype=np.int32)
        self._round = lru_cache(2 + _KEPT // self.turns)(self._draw)

    def at(self, position: int) -> tuple[int, int]:
        """Index of the source whose turn it is, and of its record."""
        number, place = divmod(position, self.turns)
        order, earlier = self._round(number)
        source = int(order[place])
        turn = number * self.weights[source] + int(earlier[place])
        return source, turn % self.counts[source]

    def _draw(self, number: int) -> tuple[_Numbers, _Numbers]:
        """A round: whose turn it is at each place, and how often it was before in this round."""
        key = np.array((self.seed % _WORD, number % _WORD), np.uint64)
        counter = np.array((0, 0, 0, _APART), np.uint64)
        words = np.random.Philox(key=key, counter=counter).random_raw(self.turns)
        order = self._sources[np.argsort(words, kind="stable")]
        by_source = np.argsort(order, kind="stable")
        earlier = np.empty(self.turns, np.int32)
        earlier[by_source] = np.arange(self.turns, dtype=np.int32) - self._starts[self._sources]
        return order, earlier
