"""Splits are known by what their names mean, not by how they are spelt: ``Training``, ``dev``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Literal

from ssd_data.core.errors import InputError

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
_NEUTRAL = "list lists set split file files image images img imgs picture pictures names"
_APART = ({"train", "val"}, {"train", "test"}, {"trainval", "test"})
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


def is_plain_role(name: str) -> bool:
    """Whether a name says a split and nothing else.

    >>> [is_plain_role(name) for name in ("Train", "2007_train", "val_list", "cat_train", "log")]
    [True, True, True, False, False]
    """
    words = {word.lower() for word in _WORD.findall(_CAMEL.sub(" ", name))}
    return role(name) is not None and words <= {*_WORDS, *_NEUTRAL.split()}


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


def linked(names: Iterable[str]) -> tuple[str | None, str | None]:
    """The split that nets learn from and the one that they are tested on, None where there is none.

    Where only a ``val`` is held back, ``trainval`` would teach its pictures.

    >>> linked(["train", "trainval", "val"]), linked(["train", "trainval", "val", "test"])
    (('train', 'val'), ('trainval', 'test'))
    """
    given = list(names)
    held_back = first_for(given, HELD_BACK)
    only_val = held_back is not None and role(held_back) == "val"
    return first_for(given, TRAINING[::-1] if only_val else TRAINING), held_back


def remarks(names: Iterable[str], place: str) -> list[str]:
    """What a user should know of splits: of which kind there is none, or more than one.

    >>> remarks(["train", "val"], "ImageSets/Main")
    []

    Args:
        place: where lists may be written.
    """
    given = list(names)
    kinds = {"training": TRAINING, "testing": HELD_BACK}
    missing = [kind for kind, roles in kinds.items() if first_for(given, roles) is None]
    said = []
    if missing:
        files = {"training": "train.txt", "testing": "val.txt"}
        said.append(
            f"no split is for {' or for '.join(missing)}, by its name ({', '.join(given)}): write "
            f"{' and '.join(files[kind] for kind in missing)} into {place}, a picture's name a line"
        )
    for kind, taken in zip(kinds, linked(given), strict=True):
        alike = [name for name in given if taken and role(name) == role(taken)]
        if len(alike) > 1:
            said.append(
                f'several splits are for {kind}, by their names ({", ".join(alike)}): "{taken}" is '
                "taken, --split builds another"
            )
    return said


def exclude(a: str, b: str) -> bool:
    """Whether two splits may have no picture in common, by what they are for."""
    return {role(a), role(b)} in _APART


def require_apart(members: Mapping[str, Mapping[str, str]]) -> None:
    """Refuse splits of which one teaches what the other tests.

    Args:
        members: per split the places that name each picture, such as ``train.txt:3``.

    Raises:
        InputError: a picture is in two splits that exclude each other.
    """
    pair = set(linked(members))
    for a, b in combinations(members, 2):
        if exclude(a, b) or {a, b} == pair:
            refuse_shared(f'"{a}"', members[a], f'"{b}"', members[b])


def refuse_shared(a: str, first: Mapping[str, str], b: str, second: Mapping[str, str]) -> None:
    """Refuse two splits that share a picture.

    Args:
        a, b: what they are, for the sentence.
        first, second: the places that name their pictures.

    Raises:
        InputError: they do.
    """
    if shared := [picture for picture in second if picture in first]:
        more = f" (and {len(shared) - 1} more)" if len(shared) > 1 else ""
        place = first[shared[0]]
        raise InputError(
            f'"{shared[0]}"{more} is in {b} and in {a}' + (f", {place}" if place else ""),
            where=second[shared[0]],
            hint="A net would be tested with what it was trained on: leave it in one of them "
            "(or say in a recipe what is meant)",
        )
