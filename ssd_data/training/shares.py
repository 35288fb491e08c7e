"""What ``--mix`` says: sources with their weights."""

from __future__ import annotations

import re
from fractions import Fraction
from math import gcd, lcm

from ssd_data.core.errors import UsageError
from ssd_data.core.legible import quoted

MOST_TURNS = 1_000_000  # of a round, which is drawn at once
_WEIGHT = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?", re.ASCII)
WHERE = "--mix"


def parse_shares(text: str) -> list[tuple[str, int]]:
    """Paths and their weights, as whole numbers without a common divisor; none of an empty text.

    Raises:
        UsageError: it is something else, or the weights are too many turns.

    >>> parse_shares("VOC0712=1,MINE=3"), parse_shares("A=0.5,B=1.25")
    ([('VOC0712', 1), ('MINE', 3)], [('A', 2), ('B', 5)])
    """
    pairs = [_pair(one) for one in text.split(",")] if text else []
    if not pairs:
        return []
    scale = lcm(*(weight.denominator for _, weight in pairs))
    turns = [int(weight * scale) for _, weight in pairs]
    common = gcd(*turns)
    turns = [count // common for count in turns]
    if sum(turns) > MOST_TURNS:
        what = f"its weights come to a round of {sum(turns):,} pictures"
        hint = f"Take rounder ones: at most {MOST_TURNS:,}"
        raise UsageError(what, where=WHERE, hint=hint)
    return [(path, count) for (path, _), count in zip(pairs, turns, strict=True)]


def _pair(text: str) -> tuple[str, Fraction]:
    path, equals, weight = text.rpartition("=")
    hint = "Write --mix DIR=N,DIR=N: how many pictures of each, by turns"
    if not equals or not path:
        raise UsageError(f"{quoted(text)} is no path with its weight", where=WHERE, hint=hint)
    if not _WEIGHT.fullmatch(weight) or not Fraction(weight):
        what = f"the weight of {quoted(path)} is {quoted(weight)}, not a number above 0"
        raise UsageError(what, where=WHERE, hint=hint)
    return path, Fraction(weight)
