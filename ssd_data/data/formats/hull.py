"""The upright box around one that is turned about its middle."""

from __future__ import annotations

from math import cos, hypot, radians, sin


def reach(
    across: float, down: float, degrees: float, *, is_round: bool = False
) -> tuple[float, float]:
    """Half the sides of the box around a turned one, from half its own.

    >>> [round(side, 6) for side in reach(20, 10, 90)]
    [10.0, 20.0]

    Args:
        is_round: it is the ellipse in the box that is turned.
    """
    sine, cosine = abs(sin(radians(degrees))), abs(cos(radians(degrees)))
    if is_round:
        return hypot(across * cosine, down * sine), hypot(across * sine, down * cosine)
    return across * cosine + down * sine, across * sine + down * cosine
