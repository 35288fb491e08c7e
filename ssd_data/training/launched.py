"""What torchrun says of this process, in the environment."""

from __future__ import annotations

import os


def number(name: str, otherwise: int) -> int:
    """A variable's whole number; ``otherwise`` where it is none."""
    text = os.environ.get(name, "")
    return int(text) if text.isdecimal() and text.isascii() else otherwise


def world() -> int:
    """How many processes were started together; 1 without torchrun."""
    return number("WORLD_SIZE", 1) if "MASTER_ADDR" in os.environ else 1


def is_follower() -> bool:
    """Whether this is one of several, and not the first."""
    return world() > 1 and number("RANK", 0) > 0
