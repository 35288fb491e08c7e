"""What the command line offers of a class of options, said where its fields are.

A command makes its click options of it (``cli/parts/fields.py``); the class may check by it what it
is given in Python.
"""

from __future__ import annotations

from dataclasses import Field, dataclass, field
from typing import Any, TypeVar

JPEG_QUALITY = 95  # OpenCV's default, which the original uses
MAX_PIXELS = 100_000_000
T = TypeVar("T")
_KEY = "option"


@dataclass(frozen=True, slots=True)
class Option:
    """How one field is offered.

    Attributes:
        help: what it does, in a line.
        metavar: what stands for its value in the help.
        low: the least value. most: the greatest, or below: what a value stays below.
        letter: of its short form. also: another name, as it is typed.
        shows_default: whether the help says what it is by itself.
        of: another option, without which it means nothing.
    """

    help: str
    metavar: str | None = None
    low: int | None = None
    most: int | None = None
    below: int | None = None
    letter: str = ""
    also: str = ""
    shows_default: bool = False
    of: str = ""


def option(default: T, help: str, **settings: Any) -> T:
    """A dataclass's field with its default, and how it is offered: see :class:`Option`.

    >>> @dataclass
    ... class Wishes:
    ...     count: int = option(1, "How many.", metavar="N", low=0)
    >>> Wishes().count, offered(Wishes.__dataclass_fields__["count"]).low
    (1, 0)
    """
    return field(default=default, metadata=offer(help, **settings))


def offer(help: str, **settings: Any) -> dict[str, Option]:
    """The same as a field's metadata, for one whose default has to be made."""
    return {_KEY: Option(help, **settings)}


def offered(one: Field[Any]) -> Option | None:
    """How a field is offered; None where it is not."""
    return one.metadata.get(_KEY)


def flag(name: str, value: object = None) -> str:
    """A field as the command line spells it, with its value where one is given.

    >>> flag("warm_up"), flag("warm_up", 4), flag("freeze_bn", False)
    ('--warm-up', '--warm-up 4', '--no-freeze-bn')
    """
    words = name.replace("_", "-")
    if value is None or value is True:
        return f"--{words}"
    return f"--no-{words}" if value is False else f"--{words} {value}"
