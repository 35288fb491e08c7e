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

PAIRS = 1 << 20


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
    some = np.flatnonzero(count)
    for rows in _portions(some, count[some]):
        counts = count[rows]
        first = np.cumsum(counts) - counts
        owner = np.repeat(np.arange(len(rows)), counts)
        other = np.arange(len(owner)) - first[owner] + start[rows][owner]
        overlap = jaccard(found[rows[owner]], truth[order[other]], plus)
        highest = np.maximum.reduceat(overlap, first)
        place = np.where(overlap == highest[owner], np.arange(len(owner)), len(owner))
        best[rows] = highest
        index[rows] = order[other[np.minimum.reduceat(place, first)]]
    return best, index


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
