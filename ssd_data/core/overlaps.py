"""How much boxes overlap, and which true box each found box overlaps most.

Both VOC's and WIDER FACE's rules (and so the SSD branch's) let a found box choose its true box by
overlap alone, whether that is taken or not. The choice therefore needs no loop over boxes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[Any]  # float32 or float64; what comes in goes out
Indices: TypeAlias = npt.NDArray[np.int64]

PAIRS, CROWD = 1 << 20, 1 << 22


def areas(boxes: Floats, plus: int = 0) -> Floats:
    """Width times height, each ``plus`` more; 0 where a box is inverted; (...) from (..., 4).

    >>> areas(np.array([[1.0, 2.0, 4.0, 4.0], [4.0, 4.0, 1.0, 2.0]]))
    array([6., 0.])
    """
    with np.errstate(over="ignore", invalid="ignore"):  # a diverged net's boxes have no end
        return _areas(boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1], plus)


def _common_areas(first: Floats, second: Floats, plus: int = 0) -> Floats:
    """The area that boxes (..., 4) have in common with those they broadcast against."""
    width = np.minimum(first[..., 2], second[..., 2])
    width -= np.maximum(first[..., 0], second[..., 0])
    height = np.minimum(first[..., 3], second[..., 3])
    height -= np.maximum(first[..., 1], second[..., 1])
    return _areas(width, height, plus)


def _areas(width: Floats, height: Floats, plus: int) -> Floats:
    """Of sides, which are written over."""
    width, height = np.asarray(width), np.asarray(height)
    if plus:
        width += plus
        height += plus
    np.maximum(width, 0, out=width)
    np.maximum(height, 0, out=height)
    width *= height
    return width


def jaccard(first: Floats, second: Floats, plus: int = 0) -> Floats:
    """Intersection over union of corner boxes (..., 4) that broadcast against each other.

    Args:
        first, second: xmin ymin xmax ymax, both of one dtype, which is that of the result.
        plus: 1 where ``xmax`` and ``ymax`` are the last pixel of the box (VOC's devkit, WIDER
            FACE), 0 where they are its border.

    >>> jaccard(np.array([0.0, 0.0, 2.0, 2.0]), np.array([[1.0, 0.0, 3.0, 2.0]]))
    array([0.33333333])
    """
    common = _common_areas(first, second, plus)
    union = areas(first, plus) + areas(second, plus)
    union -= common
    # What is not a number overlaps nothing, as in the original.
    overlap: Floats = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    return overlap


def overlaps(boxes: Floats, others: Floats) -> Floats:
    """Jaccard overlap of each box with each other one: (N, M); 0 where one is empty.

    No offset of one: boxes are fractions, or pixels whose right and lower ends are outside.
    """
    return jaccard(boxes[:, None], others[None])


def coverages(boxes: Floats, others: Floats) -> Floats:
    """How much of each box each other one covers: (N, M); 0 where one is empty."""
    common = _common_areas(boxes[:, None], others[None])
    shares: Floats = np.divide(
        common, areas(boxes)[:, None], out=np.zeros_like(common), where=common > 0
    )
    return shares


def near_pairs(
    boxes: Floats, others: Floats, least: float, slack: float = 0
) -> tuple[int, Iterator[tuple[Indices, Indices]]]:
    """Pairs of boxes among which are all whose Jaccard overlap is ``least`` or more.

    Those that begin too far from each other are not looked at, so that many small boxes take no
    more time than their number. Boxes that are not finite have no pair.

    Args:
        boxes: (N, 4); others: (M, 4). least: above 0.
        slack: boxes whose corners differ by no more are among the pairs, too.

    Returns:
        how many pairs there are, and rows and columns of some of them at a time, int64 (K,).
    """
    row = np.flatnonzero(np.isfinite(boxes).all(axis=1))
    column = np.flatnonzero(np.isfinite(others).all(axis=1))
    fewest: tuple[Indices, Indices, Indices] | None = None
    for axis in (0, 1):
        start = boxes[row, axis]
        side = np.maximum(boxes[row, axis + 2] - start, 0) / least
        order = column[np.argsort(others[column, axis], kind="stable")]
        sorted_starts = others[order, axis]
        low = np.searchsorted(sorted_starts, start - side - slack, "left")
        count = np.searchsorted(sorted_starts, start + side + slack, "right") - low
        if fewest is None or count.sum() < fewest[2].sum():
            fewest = order, low, count
    assert fewest is not None
    order, low, count = fewest

    def portions() -> Iterator[tuple[Indices, Indices]]:
        some = np.flatnonzero(count)
        for part, owner, other, _ in _candidates(some, low[some], count[some]):
            yield row[part[owner]], order[other]

    return int(count.sum()), portions()


def best_overlaps(
    found: Floats, found_group: Indices, truth: Floats, truth_group: Indices, plus: int = 0
) -> tuple[Floats, Indices]:
    """For each found box the true box of its group that it overlaps most, the first of equals.

    Args:
        found: (N, 4); truth: (M, 4); corner boxes of one dtype.
        found_group: (N,); truth_group: (M,); only boxes of one group are compared, such as those
            of one class in one picture.
        plus: as in :func:`jaccard`.

    Returns:
        the overlaps (N,), -1 where the group has no true box, and the true boxes' indices (N,).
    """
    order = np.argsort(truth_group, kind="stable")
    grouped = truth_group[order]
    start = np.searchsorted(grouped, found_group, "left")
    count = np.searchsorted(grouped, found_group, "right") - start
    best = np.full(len(found), -1, found.dtype)
    index = np.full(len(found), -1, np.int64)
    for group in _crowds(found_group, count):
        rows = np.flatnonzero(found_group == group)
        mine = order[start[rows[0]] :][: count[rows[0]]]
        if np.isfinite(found[rows]).all() and np.isfinite(truth[mine]).all():
            best[rows], place = _best_of_crowd(found[rows], truth[mine], plus)
            index[rows] = mine[place]
            count[rows] = 0
    some = np.flatnonzero(count)
    for rows, owner, other, first in _candidates(some, start[some], count[some]):
        overlap = jaccard(found[rows[owner]], truth[order[other]], plus)
        best[rows], place = _highest(overlap, owner, first)
        index[rows] = order[other[place]]
    return best, index


def _crowds(group: Indices, count: Indices) -> Indices:
    """The groups of more than :data:`CROWD` pairs."""
    large = np.flatnonzero(count > 0)
    large = large[count[large] > CROWD // max(len(group), 1)]
    groups, number = np.unique(group[large], return_counts=True)
    most = np.zeros(len(groups), np.int64)
    np.maximum.at(most, np.searchsorted(groups, group[large]), count[large])
    crowds: Indices = groups[number * most > CROWD]
    return crowds


def _best_of_crowd(found: Floats, truth: Floats, plus: int) -> tuple[Floats, Indices]:
    """The same of one group of many finite boxes: what cannot touch a box is not compared with it,
    nor are copies of a true box but the first."""
    firsts = np.sort(np.unique(truth, axis=0, return_index=True)[1])
    own = truth[firsts]
    windows = [_touching(found, own, axis, plus) for axis in (0, 1)]
    order, low, count = min(windows, key=lambda window: int(window[2].sum()))
    best, index = np.zeros(len(found), found.dtype), np.zeros(len(found), np.int64)
    some = np.flatnonzero(count)
    for rows, owner, other, first in _candidates(some, low[some], count[some]):
        overlap = jaccard(found[rows[owner]], own[order[other]], plus)
        # Of equals the first in the file, not in this order.
        highest = np.maximum.reduceat(overlap, first)
        place = np.where(overlap == highest[owner], order[other], len(own))
        best[rows] = highest
        index[rows] = np.where(highest > 0, np.minimum.reduceat(place, first), 0)
    return best, firsts[index]


def _touching(
    found: Floats, truth: Floats, axis: int, plus: int
) -> tuple[Indices, Indices, Indices]:
    """An order of true boxes; where in it those stand that each box may touch, and how many."""
    order = np.argsort(truth[:, axis], kind="stable")
    starts = truth[order, axis]
    ends = np.maximum.accumulate(truth[order, axis + 2])
    low = np.searchsorted(ends, found[:, axis] - plus, "left")
    high = np.searchsorted(starts, found[:, axis + 2] + plus, "right")
    return order, low, np.maximum(high - low, 0)


def _candidates(
    rows: Indices, start: Indices, count: Indices
) -> Iterator[tuple[Indices, Indices, Indices, Indices]]:
    """Pairs of rows and the places from ``start`` on, portion by portion.

    Returns:
        some of the rows (R,); of each pair the place of its row among them (K,), and of the other
        (K,); where the pairs of each row begin (R,).
    """
    for part in _portions(np.arange(len(rows)), count):
        first = np.cumsum(count[part]) - count[part]
        owner = np.repeat(np.arange(len(part)), count[part])
        yield rows[part], owner, np.arange(len(owner)) - first[owner] + start[part][owner], first


def _highest(overlap: Floats, owner: Indices, first: Indices) -> tuple[Floats, Indices]:
    """The greatest overlap of each row, and the first pair that has it."""
    highest = np.maximum.reduceat(overlap, first)
    place = np.where(overlap == highest[owner], np.arange(len(owner)), len(owner))
    return highest, np.minimum.reduceat(place, first)


def _portions(rows: Indices, counts: Indices) -> Iterator[Indices]:
    """The rows in portions of about :data:`PAIRS` pairs."""
    if not len(rows):
        return
    total = np.cumsum(counts)
    cuts = np.searchsorted(total, np.arange(PAIRS, int(total[-1]), PAIRS))
    yield from (part for part in np.split(rows, cuts) if len(part))


def first_of_each(index: Indices, eligible: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Which rows are the first eligible ones of their index; bool (N,)."""
    rows = np.flatnonzero(eligible)
    first = np.zeros(len(index), np.bool_)
    first[rows[np.unique(index[rows], return_index=True)[1]]] = True
    return first
