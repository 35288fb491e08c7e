r"""Text from data, files or users, as it may be shown: on a terminal, in a log, a table, a page.

All of it goes through here: an error's three parts (``core/errors.py``), what is counted
(``core/notes.py``), each line that a command prints (``cli/parts/shared.py``) or a training logs,
each value of a page. What is not seen, or steers a terminal or the direction of writing, is an
escape; what is too long loses its middle.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

MOST, LINE = 600, 240  # a line may be that long; of a longer one so much is left
QUOTE = 100
FEW, LISTED = 5, 60  # names of a list, letters of each
MOST_LINES = 8  # of an error that lists faults
# Letters and marks without a form of their own: fillers, joiners, selectors of variants. The other
# unseen characters are those that Python calls not printable.
_FORMLESS = "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
_UNSEEN = re.compile(f"[{_FORMLESS}\U000e0100-\U000e01ef]")
_QUOTED = re.compile(f'"([^"]{{{QUOTE + 1},}})"')


class Legible(str):
    """Text that went through here, and is not changed again; its line ends are meant."""

    __slots__ = ()


def legible(text: object, most: int = MOST, kept: int = LINE) -> Legible:
    r"""One line of text in which all is seen.

    >>> print(legible("evil\n\x1b[31m\u202egpj.exe"))
    evil\n\x1b[31m\u202egpj.exe
    >>> print(legible("x" * 5000, 40))
    xxxxxxxxxx…(5,000 characters)…xxxxxxxxxx

    Args:
        most: a longer text loses its middle; what stands in ``"`` does above :data:`QUOTE`.
        kept: as long it is then, at most ``most``.
    """
    if isinstance(text, Legible):
        return text
    found, kept = str(text), min(most, kept)
    if len(found) > QUOTE:
        found = _QUOTED.sub(lambda quote: f'"{_cut(quote[1], QUOTE)}"', found)
    if len(found) > most:
        return Legible(_cut(found, kept))
    found = visible(found)
    return Legible(found if len(found) <= most else _cut(found, kept))


def legible_lines(text: str | Iterable[str], most: int = MOST, kept: int = LINE) -> Legible:
    """The same of one line, or of several with an indentation of two from the second on."""
    if isinstance(text, str):
        return legible(text, most, kept)
    return Legible("\n  ".join(legible(line, most, kept) for line in text))


def visible(text: str) -> str:
    """The same of a text that is left as long as it is."""
    return text if text.isascii() and text.isprintable() else "".join(map(_seen, text))


def quoted(name: object) -> str:
    """A name between quotation marks, never longer than :data:`QUOTE`."""
    return f'"{legible(name, QUOTE)}"'


def reason(error: OSError | ValueError) -> str:
    """Why a file cannot be had; not which one, as Python's own text says again."""
    return str(getattr(error, "strerror", None) or error)


def few(names: Sequence[object], most: int = FEW) -> str:
    """The first of some names, and how many more there are.

    >>> few(["cat", "dog", "owl", "yak"], 2)
    'cat, dog and 2 more'
    """
    shown = ", ".join(legible(name, LISTED) for name in names[:most])
    return f"{shown} and {len(names) - most:,} more" if len(names) > most else shown


def count_of(count: int, one: str, many: str = "") -> str:
    """So many of something.

    >>> count_of(1, "box", "boxes"), count_of(2000, "record")
    ('1 box', '2,000 records')
    """
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def first_lines(lines: Sequence[str], most: int = MOST_LINES) -> list[str]:
    """The first lines, and how many more there are: for an error, which is to be read.

    >>> first_lines(["a", "b", "c"], most=1)
    ['a', '… and 2 more']
    """
    more = len(lines) - most
    return [*lines[:most], f"… and {more:,} more"] if more > 0 else list(lines)


def _seen(c: str) -> str:
    return c if c.isprintable() and not _UNSEEN.match(c) else ascii(c)[1:-1]


def _cut(text: str, most: int) -> str:
    """Beginning and end of a text, in about ``most`` characters, and how long it is."""
    note = f"…({len(text):,} characters)…"
    room = max(most - len(note), 2) // 2
    return _start(text[:room], room) + note + _end(text[-room:], room)


def _start(text: str, room: int) -> str:
    found = ""
    for c in map(_seen, text):
        if len(found) + len(c) > room:
            break
        found += c
    return found


def _end(text: str, room: int) -> str:
    found = ""
    for c in map(_seen, reversed(text)):
        if len(found) + len(c) > room:
            break
        found = c + found
    return found
