"""Rows and columns of a table paired, the greatest value first, each in one pair at most."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ssd_data.core.overlaps import Floats, Indices

PORTION = 1 << 22  # values that are sorted at once


def pair_greedily(table: Floats, group: Indices, least: float) -> tuple[Indices, Indices]:
    """Walk through all values of a table, the greatest first, and take what is free.

    Of equals the lower column comes first, then the earlier row. Each row asks for the column that
    it has most of, then for the next; a column keeps the best of those that ask (Gale and Shapley,
    1962, where both sides rank by the same values). So the work is at most that of sorting the
    table, whatever stands in it.

    >>> table = np.array([[0.9, 0.8], [0.9, 0.1]])
    >>> [pairs.tolist() for pairs in pair_greedily(table, np.array([0, 0]), 0)]
    [[0, 1], [0, 1]]

    Args:
        table: (N, P), no NaN. group: int64 (N,); rows of one group contend for the columns.
        least: what is not above it cannot pair.

    Returns:
        rows, rising, and columns of the pairs, each int64 (K,).
    """
    wishes, count = _wishes(table, least)
    number = np.unique(group, return_inverse=True)[1].ravel()
    holder = np.full((int(number.max(initial=-1)) + 1) * table.shape[1], -1)
    asked = np.zeros(len(table), np.int64)
    free = np.arange(len(table))
    while len(free := free[asked[free] < count[free]]):
        column = wishes[free, asked[free]].astype(np.int64)
        asked[free] += 1
        place = number[free] * table.shape[1] + column
        value = table[free, column]
        order = np.lexsort((free, -value, place))
        best = order[np.unique(place[order], return_index=True)[1]]
        held = holder[place[best]]
        before = np.where(held < 0, -np.inf, table[held, column[best]])
        wins = (value[best] > before) | ((value[best] == before) & (free[best] < held))
        holder[place[best[wins]]] = free[best[wins]]
        lost = held[wins]
        free = np.concatenate([np.delete(free, best[wins]), lost[lost >= 0]])
    taken = np.flatnonzero(holder >= 0)
    rows, columns = holder[taken], taken % max(table.shape[1], 1)
    order = np.argsort(rows)
    return rows[order], columns[order]


def _wishes(table: Floats, least: float) -> tuple[npt.NDArray[np.int32], Indices]:
    """The columns of each row, the greatest value first, int32 (N, most); and how many count."""
    count = np.count_nonzero(table > least, axis=1)
    wishes = np.zeros((len(table), int(count.max(initial=0))), np.int32)
    step = max(PORTION // max(table.shape[1], 1), 1)
    for start in range(0, len(table), step):
        rows = slice(start, start + step)
        order = np.argsort(-table[rows], axis=1, kind="stable")
        wishes[rows] = order[:, : wishes.shape[1]]
    return wishes, count
