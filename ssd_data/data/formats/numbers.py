"""Numbers, and yes and no, as annotations write them."""

from __future__ import annotations

import math

FAR = 1e9  # no coordinate is as large
_YES = frozenset({"true", "1", "yes"})


def number(text: str) -> float:
    """A number; not a number (NaN) for anything else.

    Python's own ``float`` also takes ``1_000`` and the digits of other scripts.

    >>> number("12.5"), number("1_000")
    (12.5, nan)
    """
    try:
        return float(text) if text.isascii() and "_" not in text else math.nan
    except ValueError:
        return math.nan


def says_yes(text: str) -> bool:
    """Whether a text says yes.

    >>> says_yes(" True"), says_yes("0")
    (True, False)
    """
    return text.strip().lower() in _YES
