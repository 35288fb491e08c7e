"""Class names that people take for one: ``Cup`` and ``cup``, ``cat`` with a Cyrillic ``а``.

Names are alike where nothing differs once case, spaces, unseen characters, Unicode's forms of one
character (NFKC, Unicode Standard Annex 15) and letters that look like Latin ones do not count.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from unicodedata import category, combining, normalize

from ssd_data.core.legible import QUOTE, legible

MOST_SHOWN = 6
# A few of Unicode's confusables.txt (Technical Standard 39): what other keyboards have. Not 0 and
# O, 1 and l, which are classes of their own where characters are read.
_PAIRS = (
    "АA ВB ЕE ЅS ІI ЈJ КK МM НH ОO РP СC ТT УY ХX аa еe кk оo рp сc уy хx іi јj ѕs һh ԁd ԛq ԝw "
    "ΑA ΒB ΕE ΖZ ΗH ΙI ΚK ΜM ΝN ΟO ΡP ΤT ΥY ΧX αa ιi κk νv οo ρp υu χx γy ıi ɑa ɡg օo սu հh "
    "’' ‘' ´' ʼ' ‐- ‒- –- —- −-"
)
_LETTERS = {ord(pair[0]): pair[1] for pair in _PAIRS.split()}
_FILLERS = set("\u034f\u115f\u1160\u180b\u2800\u3164\uffa0")
_JOINED = re.compile(r"(?<=[^\W\d_])[\s_-]+(?=\w)|(?<=\w)[\s_-]+(?=[^\W\d_])")
CASE, SPACES, UNSEEN = "case", "spaces or joining signs", "unseen characters"
FORM, LETTERS = "Unicode form", "look-alike characters"
_ASCII = (UNSEEN, SPACES, CASE)  # what English names may differ in


@dataclass(frozen=True, slots=True)
class Lookalikes:
    """Names that look alike.

    Attributes:
        names: two or more, as they were met.
        differ: by what, one or more of the constants above.
    """

    names: tuple[str, ...]
    differ: tuple[str, ...]

    def __str__(self) -> str:
        """One sentence, in which every character that deceives the eye is an escape."""
        shown = [f'"{_shown(name, self.differ)}"' for name in self.names[:MOST_SHOWN]]
        if len(self.names) > MOST_SHOWN:
            shown.append(f"{len(self.names) - MOST_SHOWN} more")
        return f"{_listed(shown)} differ only in {_listed(self.differ)}"


def lookalikes(names: Iterable[str]) -> list[Lookalikes]:
    r"""The names that look alike, in groups; a name that stands twice counts once.

    >>> print(*lookalikes(["Cup", "dog", "cup ", "cat", "c\u0430t"]), sep="\n")
    "Cup" and "cup " differ only in spaces or joining signs and case
    "cat" and "c\u0430t" differ only in look-alike characters
    """
    groups = _grouped(dict.fromkeys(names), _STEPS)
    return [Lookalikes(tuple(g), _differences(g)) for g in groups if len(g) > 1]


def _differences(names: list[str]) -> tuple[str, ...]:
    """The fewest steps without which the names would not be alike."""
    needed = dict(_STEPS)
    for difference in (LETTERS, FORM, UNSEEN, SPACES, CASE):
        fewer = {name: step for name, step in needed.items() if name != difference}
        if len(_grouped(names, fewer)) == 1:
            needed = fewer
    return tuple(needed)


def _grouped(names: Iterable[str], steps: Mapping[str, Callable[[str], str]]) -> list[list[str]]:
    """Names that the steps make equal, with those that they make equal without the letters: small
    and capital letters of another alphabet may look like different Latin ones."""
    parents: dict[str, str] = {}

    def top(key: str) -> str:
        while (parent := parents.setdefault(key, key)) != key:
            key = parents[key] = parents[parent]
        return key

    keys = {}
    for name in names:
        latin = own = name
        for difference, step in steps.items():
            if difference in _ASCII or not name.isascii():
                latin = step(latin)
                own = own if difference == LETTERS else step(own)
        keys[name] = f"latin {latin}"
        parents[top(f"own {own}")] = top(keys[name])
    groups: dict[str, list[str]] = {}
    for name, key in keys.items():
        groups.setdefault(top(key), []).append(name)
    return list(groups.values())


def _shown(name: str, differ: Iterable[str]) -> str:
    def deceives(c: str) -> bool:
        return (
            (not c.isprintable() or _is_unseen(c))
            or (LETTERS in differ and ord(c) in _LETTERS)
            or (FORM in differ and (combining(c) > 0 or normalize("NFKC", c) != c))
        )

    return legible("".join(ascii(c)[1:-1] if deceives(c) else c for c in name), QUOTE)


def _listed(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def _is_unseen(c: str) -> bool:
    kind = category(c)
    return (
        kind == "Cf"
        or (kind == "Cc" and not c.isspace())
        or c in _FILLERS
        or "\ufe00" <= c <= "\ufe0f"
    )


def _without_unseen(name: str) -> str:
    return "".join(c for c in name if not _is_unseen(c))


def _without_spaces(name: str) -> str:
    return _JOINED.sub("", " ".join(name.split()))


# In this order: a dash of another alphabet joins as a hyphen does, and letters look alike as they
# are written, not as their small forms.
_STEPS: dict[str, Callable[[str], str]] = {
    UNSEEN: _without_unseen,
    FORM: lambda name: normalize("NFKC", name),
    LETTERS: lambda name: name.translate(_LETTERS),
    SPACES: _without_spaces,
    CASE: str.casefold,
}
