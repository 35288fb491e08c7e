"""Centre and sides of fractional boxes, as decimals that come back to the bit."""

from __future__ import annotations

import numpy as np

from ssd_data.core.structures import Boxes, Flags
from ssd_data.data.formats.pixels import Floats

FEWEST, MOST = 4, 17  # decimals; a double has no more


def centres(corners: Boxes) -> tuple[Floats, Flags]:
    """Centre and sides from which reading makes the very same corners, where any do.

    Reading sums in double precision, ``xmin = cx - w / 2``, and rounds to single at the end. The
    fewest decimals are taken with which that gives both corners of a side back.

    >>> centres(np.array([[0.25, 0.1, 0.75, 0.3]], np.float32))[0].tolist()
    [[0.5, 0.2, 0.5, 0.2]]

    Args:
        corners: float32 (N, 4), fractions, xmin ymin xmax ymax.

    Returns:
        float64 (N, 4), cx cy w h; and bool (N,), which boxes come back. The others are off in
        their last place: a corner is as near to 0 as no decimals beside the other can say.
    """
    low, high = corners[:, :2].copy(), corners[:, 2:].copy()
    goal, sides = _halves(low, high)
    centre, extent = goal.copy(), sides.copy()
    found = np.zeros(low.shape, np.bool_)
    for decimals in range(FEWEST, MOST):
        tried = np.round(goal, decimals), np.round(sides, decimals)
        hit = ~found & _gives(*tried, low, high)
        centre[hit], extent[hit] = tried[0][hit], tried[1][hit]
        found |= hit
        if found.all():
            break
    else:
        _search(centre, extent, found, low, high)
    exact: Flags = np.all(found, axis=1)
    return np.hstack([centre, extent]), exact


def _halves(low: Boxes, high: Boxes) -> tuple[Floats, Floats]:
    a, b = low.astype(np.float64), high.astype(np.float64)
    return (a + b) / 2, b - a


def _gives(centre: Floats, extent: Floats, low: Boxes, high: Boxes) -> Flags:
    """Whether these are read as those corners."""
    begin, end = (centre - extent / 2).astype(np.float32), (centre + extent / 2).astype(np.float32)
    # By bits: 0.0 and -0.0 are equal and yet stored differently.
    fits: Flags = (begin.view(np.int32) == low.view(np.int32)) & (
        end.view(np.int32) == high.view(np.int32)
    )
    return fits


def _search(centre: Floats, extent: Floats, found: Flags, low: Boxes, high: Boxes) -> None:
    """Try all doubles, and those next to the best; what is found is put in place."""
    goal, sides = _halves(low, high)
    for tried in (sides, np.nextafter(sides, np.inf), np.nextafter(sides, -np.inf)):
        hit = ~found & _gives(goal, tried, low, high)
        centre[hit], extent[hit] = goal[hit], tried[hit]
        found |= hit
