"""The splits of files that list pictures: the files' names say them, else the pictures' folders."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import listable
from ssd_data.data.formats.csvrows import is_blank
from ssd_data.data.formats.indexes import ListedSource
from ssd_data.data.formats.parts import picture_folder
from ssd_data.data.formats.pictures import Pictures
from ssd_data.data.formats.splits import (
    HELD_BACK,
    TRAINING,
    is_training,
    plain_split,
    role,
    split_in,
)
from ssd_data.data.formats.tree import Tree
from ssd_data.data.formats.undivided import split_up

UNASSIGNED = "unassigned"
_NO_SPLIT = ("unassigned", "default", "all", "unused", "unlabeled", "unlabelled")
RECIPE = "Move the others away, or name each as a source of a recipe"
S = TypeVar("S", bound=ListedSource)


def split_words(folder: Path, files: Sequence[str], what: str) -> tuple[dict[str, str], list[str]]:
    """The split that the name of each of several files says, and what is to be said of others.

    Args:
        what: the files are.

    Raises:
        InputError: none says one, or two say the same.
    """
    words = {name: split_in(name) or "" for name in files}
    without = [name for name, word in words.items() if not word]
    if len(without) == len(files):
        raise InputError(
            f"{len(files)} {what} are here, and none says its split: {', '.join(without[:6])}",
            where=folder,
            hint=f"Call them after their splits, such as train and test. {RECIPE}",
        )
    said = []
    if len(without) == 1 and not {role(word) for word in words.values()} & set(TRAINING):
        words[without[0]] = "trainval"
        said.append(f"{without[0]} names no split: it is taken as trainval")
    else:
        said += [f"{name} names no split: it is left out" for name in without]
    seen: dict[str | None, str] = {}
    for name, word in words.items():
        if word and (other := seen.get(role(word))):
            text = f'"{other}" and "{name}" are of one split'
            raise InputError(text, where=folder, hint=RECIPE)
        seen[role(word) if word else name] = name
    return {name: word for name, word in words.items() if word}, said


def by_file(
    tree: Tree, words: dict[str, str], make: Callable[[str, str], S]
) -> tuple[dict[str, list[S]], list[str]]:
    """A split a file.

    Args:
        words: the split of each. make: the source of a file and the folder of its pictures.
    """
    places = {
        name: picture_folder(tree, posixpath.dirname(name), word) for name, word in words.items()
    }
    splits: dict[str, list[S]] = {}
    for name, word in words.items():
        others = tuple(n for n in words if n != name and _overlap(places[name], places[n]))
        beside = others if is_training(word) else ()
        one = msgspec.structs.replace(make(name, places[name]), rest=not others, beside=beside)
        splits[plain_split(word)] = [one]
    said = []
    if not all(one.rest for (one,) in splits.values()):
        said.append("the splits' pictures lie in one folder: those that no file names are left out")
    return splits, said


def of_one(tree: Tree, whole: S, word: str) -> tuple[dict[str, list[S]], list[str]]:
    """The splits of a single file: the one that its name says, else the folders of its pictures
    that are called so, else shares."""
    if word:
        return {plain_split(word): [whole]}, []
    if not (inner := _split_folders(tree, whole.images)):
        return split_up(tree, [whole])
    start = f"{whole.images}/" if whole.images else ""
    splits = {
        plain_split(one): [msgspec.structs.replace(whole, inside=start + one)] for one in inner
    }
    return splits, [f"the splits are the folders {', '.join(start + one for one in inner)}"]


def said_split(text: str) -> str:
    """The split that a cell or key says, by its meaning; empty where it says nothing known.

    >>> said_split("TRAINING"), said_split(""), said_split("fold 3")
    ('train', 'unassigned', '')
    """
    word = text.strip().lower()
    return UNASSIGNED if is_blank(text) or word in _NO_SPLIT else role(text) or ""


def by_value(
    found: Mapping[str, Sequence[str]], make: Callable[[str], S], *, words_are_names: bool = True
) -> tuple[dict[str, list[S]], list[str]]:
    """The splits that the file itself says.

    Args:
        found: its words by the split that they mean. make: the source of a split.
        words_are_names: whether a split is called by its word.
    """
    splits: dict[str, list[S]] = {}
    said = []
    for split, words in found.items():
        plain = words_are_names and len(words) == 1 and words[0]
        called = plain_split(words[0]) if plain else split
        splits[called] = [make(split)]
        if len(words) > 1 and split != UNASSIGNED:
            said.append(f"{listable(' and '.join(sorted(words)))} are one split, {split}")
        if split == UNASSIGNED:
            said.append(f'pictures that no split is stated for are the split "{called}"')
    return splits, said


def _overlap(a: str, b: str) -> bool:
    """Whether one folder is the other, or lies in it."""
    return a == b or not a or not b or a.startswith(f"{b}/") or b.startswith(f"{a}/")


def _split_folders(tree: Tree, place: str) -> list[str]:
    """The folders of pictures that are called as splits, where they hold most of the pictures."""
    paths = Pictures.of(tree, place).paths
    tops = [path.partition("/")[0] for path in paths if "/" in path]
    inner = sorted({top for top in tops if role(top)})
    roles = {role(top) for top in inner}
    held = sum(1 for top in tops if role(top))
    enough = roles & set(TRAINING) and roles & set(HELD_BACK) and 2 * held > len(paths)
    return inner if enough else []
