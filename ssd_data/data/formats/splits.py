"""Splits are known by what their names mean, not by how they are spelt: ``Training``, ``dev``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

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


def split_in(path: str) -> str | None:
    """The split that a path speaks of, in its own word: its file's name first, then its folders.

    >>> split_in("Training/annotations.xml"), split_in("oidv6-train-annotations-bbox.csv")
    ('Training', 'train')
    >>> split_in("labels/a.xml") is None
    True
    """
    *folders, file = path.split("/")
    stem = file.rpartition(".")[0] or file
    for part in (stem, *reversed(folders)):
        if found := role(part):
            words = {w for w in _WORD.findall(_CAMEL.sub(" ", part)) if w.lower() in _WORDS}
            return words.pop() if len(words) == 1 else found
    return None


def plain_split(name: str) -> str:
    """A split's name as it can name files.

    >>> plain_split("Train"), plain_split("../a b/c")
    ('Train', '_a b_c')
    """
    plain = "".join(c if c.isprintable() and c not in "/\\" else "_" for c in name).lstrip(".")
    return plain[:100] or "_"


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
