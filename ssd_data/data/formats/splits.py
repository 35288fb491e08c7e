"""Splits are known by what their names mean, not by how they are spelt: ``Training``, ``dev``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from random import Random
from typing import Literal, TypeVar

from ssd_data.core.errors import InputError

T = TypeVar("T")
Role = Literal["trainval", "train", "val", "test"]
TRAINING: tuple[Role, ...] = ("trainval", "train")
HELD_BACK: tuple[Role, ...] = ("test", "val")
_WORDS: dict[str, Role] = {
    **dict.fromkeys(("trainval", "trainvals"), "trainval"),
    **dict.fromkeys(("train", "training", "trains", "trn", "trainset"), "train"),
    **dict.fromkeys(("val", "valid", "validate", "validation", "dev", "eval", "valset"), "val"),
    **dict.fromkeys(("minival", "vali", "holdout"), "val"),
    **dict.fromkeys(("test", "testing", "tests", "tst", "testset", "evaluation"), "test"),
}
_WORD = re.compile(r"[^\W\d_]+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def role(name: str) -> Role | None:
    """What a split is for, by the words of its name; None where it does not say.

    >>> [role(name) for name in ("Train", "cat_val", "train2017", "dev", "train_val", "UNASSIGNED")]
    ['train', 'val', 'train', 'val', 'trainval', None]
    """
    words = {_WORDS.get(word.lower()) for word in _WORD.findall(_CAMEL.sub(" ", name))} - {None}
    if words == {"train", "val"}:
        return "trainval"
    if "test" in words and words <= {"test", "val"}:
        return "test"
    return words.pop() if len(words) == 1 else None


def is_training(name: str) -> bool:
    """Whether nets learn from that split, so that its records are shuffled."""
    return role(name) in TRAINING


def first_for(names: Iterable[str], roles: tuple[Role, ...]) -> str | None:
    """The split that serves best: of the first of ``roles`` that there is, the plainest name.

    >>> first_for(["cat_train", "train", "val"], TRAINING)
    'train'
    """
    given = list(names)
    for wanted in roles:
        if wanted in given:
            return wanted
        if like := [name for name in given if role(name) == wanted]:
            return like[0]
    return None


def share(items: Sequence[T], first: float, last: float, seed: int | float | str) -> list[T]:
    """A share of the shuffled items, in their own order; the shares of one seed do not overlap.

    Where two shares part two or more items, each has one.

    >>> share("abcde", 0.0, 0.4, 0), share("abcde", 0.4, 1.0, 0)
    (['a', 'e'], ['b', 'c', 'd'])

    Args:
        first, last: where the share begins and ends, 0 to 1.

    Raises:
        InputError: they lie outside.
    """
    for key, value in (("from", first), ("to", last)):
        if not 0 <= value <= 1:
            raise InputError(f'"{key}" is {value!r}, not a share between 0 and 1')
    if (first, last) == (0, 1):
        return list(items)
    random = Random(str(seed))
    shuffled = sorted(range(len(items)), key=lambda _: random.random())
    begin, end = (_cut(part, len(items)) for part in (first, last))
    chosen = shuffled[begin:end]
    return [items[index] for index in sorted(chosen)]


def _cut(part: float, count: int) -> int:
    at = round(part * count)
    return min(max(at, 1), count - 1) if 0 < part < 1 and count > 1 else at
