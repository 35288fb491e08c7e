"""Fractional boxes as pixels that come back.

:func:`ssd_data.core.boxes.normalize` turns them back into the very same float32, where there are
any that do: the shortest decimals, read as float32.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ssd_data.core.structures import Boxes, Flags

Floats: TypeAlias = npt.NDArray[np.float64]
MOST_DECIMALS = 8


def corners(fractions: Boxes, width: int, height: int) -> tuple[Floats, Flags]:
    """The pixels of fractional boxes, both as xmin, ymin, xmax, ymax.

    Returns:
        float64 (N, 4), to be written as decimals and read as float32; and bool (N,), which boxes
        come back to the bit. The others are off by one unit in the last place.
    """
    values, found = _pixels(fractions, np.array([width, height] * 2, np.float32))
    exact: Flags = np.all(found, axis=1)
    return values, exact


def xywh(fractions: Boxes, width: int, height: int) -> tuple[Floats, Flags]:
    """The pixels of fractional boxes as x, y, width, height.

    Reading sums ``xmax = x + width`` in float32, so that width is searched for with which the sum,
    not the width, gives the fraction back.

    Returns:
        as :func:`corners`; where no sum fits, xmax is off by the rounding of that sum.
    """
    sides = np.array([width, height], np.float32)
    low, high = fractions[:, :2], fractions[:, 2:]
    start, low_found = _pixels(low, sides)
    end, high_found = _pixels(high, sides)
    begin = start.astype(np.float32)  # as it is read
    extent, found = _nearest(
        high.astype(np.float64) * sides - begin,
        end.astype(np.float32) - begin,
        lambda tried: _same((begin + tried) / sides, high),
    )
    found &= low_found
    row, axis = np.nonzero(low_found & high_found & ~found)
    if len(row):
        searched = _search(low[row, axis], high[row, axis], sides[axis])
        start[row, axis], extent[row, axis], found[row, axis] = searched
    exact: Flags = np.all(found, axis=1)
    return np.hstack([start, extent]), exact


def _pixels(fractions: Boxes, sides: Boxes) -> tuple[Floats, Flags]:
    """The pixels of fractions of ``sides``, and which of them give the fraction back."""
    goal = fractions.astype(np.float64) * sides  # exact: 24 bits times 20
    return _nearest(goal, _single(goal), lambda tried: _same(tried / sides, fractions))


def _nearest(goal: Floats, near: Boxes, fits: Callable[[Boxes], Flags]) -> tuple[Floats, Flags]:
    """The shortest decimals around ``goal`` that fit, and which do.

    Args:
        goal: what lies in the middle of all that fits, so that the nearest fits if any does.
        near: the same in float32; taken where nothing shorter fits.
        fits: of numbers as they are read.
    """
    chosen, found = near.astype(np.float64), np.zeros(near.shape, np.bool_)
    for decimals in range(MOST_DECIMALS + 1):
        tried = np.round(goal, decimals)
        hit = ~found & fits(_single(tried))
        chosen[hit] = tried[hit]
        found |= hit
        if found.all():
            return chosen, found
    chosen[~found] = _short(near[~found])
    return chosen, found | fits(_single(chosen))


def _search(low: Boxes, high: Boxes, sides: Boxes) -> tuple[Floats, Floats, Flags]:
    """All starts and extents near by, for the few boxes where the next best do not fit."""
    starts = _neighbours(_single(low.astype(np.float64) * sides), 2)
    ends = _neighbours(_single(high.astype(np.float64) * sides), 1)
    best, extent, found = starts[0].copy(), ends[0] - starts[0], np.zeros(len(low), np.bool_)
    for start, end in product(starts, ends):
        start_fits = _same(start / sides, low)
        for tried in _neighbours(end - start, 1):
            hit = ~found & start_fits & _same((start + tried) / sides, high)
            best[hit], extent[hit] = start[hit], tried[hit]
            found |= hit
    return _short(best), _short(extent), found


def _neighbours(values: Boxes, steps: int) -> list[Boxes]:
    """The values and the float32 next to them, up to so many steps away, the nearest first."""
    found, up, down = [values], values, values
    for _ in range(steps):
        up, down = np.nextafter(up, np.float32(np.inf)), np.nextafter(down, np.float32(-np.inf))
        found += [up, down]
    return found


def _single(values: Floats) -> Boxes:
    return values.astype(np.float32)


def _short(values: Boxes) -> Floats:
    """The shortest decimals that are read as these float32."""
    short = values.astype(str).astype(np.float64)
    return np.where(_same(_single(short), values), short, values)


def _same(a: Boxes, b: Boxes) -> Flags:
    # By bits: 0.0 and -0.0 are equal and yet written differently.
    same: Flags = a.view(np.int32) == b.view(np.int32)
    return same
