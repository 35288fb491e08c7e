"""What a page's address asks for: which records, in which order, and what is hidden.

All state is in the address: a page can be shared, kept as a bookmark, and come back to.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any
from urllib.parse import urlencode

from ssd_data.core.errors import UsageError
from ssd_data.pages.viewer.index import PROBLEMS

MISTAKES = {
    "missed": "missed objects",
    "false": "false detections",
    "poor": "badly localised",
}
SORTS = {"key": "key", "boxes": "most boxes first", "smallest": "smallest box first"}
MISTAKE_SORTS = {
    "errors": "most errors first",
    "missed": "most missed first",
    "false": "most false first",
    "poor": "most badly localised first",
}
LONGEST, MOST_HIDDEN = 500, 300
_HIDDEN = re.compile(r"-?\d{1,10}|[a-z]{1,12}")


@dataclass(frozen=True, slots=True)
class Choice:
    """One page's address, checked.

    Attributes:
        q: text that the key holds, in small or capital letters.
        label: a class that the record has, None for any.
        least, most: the square root of a box's area in stored pixels, from and up to; where a class
            is chosen, one of its boxes has to be of that size.
        problem: one of PROBLEMS or MISTAKES, or empty.
        sort: one of SORTS or MISTAKE_SORTS; empty: most errors first, or by key without detections.
        score: detections below it do not count; None for each class's own best.
        page: from 1.
        marked: "yes" for the marked records alone.
        hide: labels (as text) and kinds of boxes that are not drawn.
    """

    q: str = ""
    label: int | None = None
    least: float | None = None
    most: float | None = None
    problem: str = ""
    sort: str = ""
    score: float | None = None
    page: int = 1
    marked: str = ""
    hide: tuple[str, ...] = ()

    @classmethod
    def read(cls, given: Mapping[str, str], judged: bool) -> Choice:
        """The choice that an address's parameters state; others are passed over.

        Args:
            judged: whether there are detections.

        Raises:
            UsageError: a parameter makes no sense.
        """
        problems = {"": "", **PROBLEMS, **(MISTAKES if judged else {})}
        sorts = SORTS | (MISTAKE_SORTS if judged else {})
        readers: dict[str, Callable[[str], Any]] = {
            "q": _text,
            "label": _integer(-(2**31), 2**31 - 1),
            "least": _number,
            "most": _number,
            "problem": _one_of(problems),
            "sort": _one_of(sorts),
            "score": _number,
            "page": _integer(1, 10**9),
            "marked": _one_of({"": "", "yes": ""}),
            "hide": _hidden,
        }
        values = {}
        for name, reader in readers.items():
            if text := given.get(name, ""):
                try:
                    values[name] = reader(text)
                except ValueError as error:
                    raise UsageError(str(error) or "this is no number", where=name) from None
        return cls(**values)

    def query(self, **changes: Any) -> str:
        """The address's parameters with some changed, with the ``?``; empty where all are usual."""
        changed = replace(self, **changes)
        pairs = [
            (field.name, getattr(changed, field.name), field.default) for field in fields(self)
        ]
        given = [(name, _written(value)) for name, value, usual in pairs if value != usual]
        return f"?{urlencode(given)}" if given else ""

    @property
    def chosen(self) -> Choice:
        """What decides which records are shown, in which order; nothing else."""
        return replace(self, page=1, hide=())

    @property
    def needs_index(self) -> bool:
        """Whether keys alone do not tell which records these are."""
        plain = Choice(q=self.q, marked=self.marked)
        return self.chosen not in (plain, replace(plain, sort="key"))

    @property
    def about_boxes(self) -> bool:
        """Whether it asks for some boxes, not for all."""
        return not self.label is self.least is self.most is None


def in_letters(environ: dict[str, Any]) -> dict[str, str]:
    """An address without a path as the first page's, and a query with its bytes that are no ASCII
    as escapes: of others Werkzeug reads no query."""
    query = environ.get("QUERY_STRING", "").encode("latin-1")
    return {
        "PATH_INFO": environ.get("PATH_INFO") or "/",
        "QUERY_STRING": "".join(chr(n) if n < 128 else f"%{n:02X}" for n in query),
    }


def _written(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _text(text: str) -> str:
    if len(text) > LONGEST:
        raise ValueError(f"more than {LONGEST} characters")
    return text


def _integer(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,12}", text) or not least <= int(text) <= most:
            raise ValueError(f"not a whole number from {least} to {most}")
        return int(text)

    return read


def _number(text: str) -> float:
    if len(text) > 30 or not 0 <= (value := float(text)) < math.inf:
        raise ValueError("not a number from 0 on")
    return value


def _one_of(names: Mapping[str, str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in names:
            raise ValueError(f"not one of {', '.join(filter(None, names))}")
        return text

    return read


def _hidden(text: str) -> tuple[str, ...]:
    words = tuple(dict.fromkeys(text.split(",")))
    if len(words) > MOST_HIDDEN or not all(_HIDDEN.fullmatch(word) for word in words):
        raise ValueError("not a list of labels and kinds of boxes")
    return words
