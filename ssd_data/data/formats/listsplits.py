"""The splits of files that list pictures: the files' names say them, else the pictures' folders."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from ssd_data.core.errors import InputError
from ssd_data.data.formats.listed import ListedSource
from ssd_data.data.formats.parts import picture_folder
from ssd_data.data.formats.pictures import Pictures
from ssd_data.data.formats.splits import HELD_BACK, TRAINING, plain_split, role, split_in
from ssd_data.data.formats.undivided import split_up

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
    folder: Path, words: dict[str, str], make: Callable[[str, str], S]
) -> tuple[dict[str, list[S]], list[str]]:
    """A split a file.

    Args:
        words: the split of each. make: the source of a file and the folder of its pictures.
    """
    places = {
        name: picture_folder(folder, posixpath.dirname(name), word) for name, word in words.items()
    }
    splits: dict[str, list[S]] = {}
    for name, word in words.items():
        alone = sum(_overlap(places[name], place) for place in places.values()) == 1
        one = msgspec.structs.replace(make(name, places[name]), rest=alone)
        splits[plain_split(word)] = [one]
    said = []
    if not all(one.rest for (one,) in splits.values()):
        said.append("the splits' pictures lie in one folder: those that no file names are left out")
    return splits, said


def of_one(folder: Path, whole: S, word: str) -> tuple[dict[str, list[S]], list[str]]:
    """The splits of a single file: the one that its name says, else the folders of its pictures
    that are called so, else shares."""
    if word:
        return {plain_split(word): [whole]}, []
    if not (inner := _split_folders(folder / whole.images)):
        return split_up(folder, [whole])
    start = f"{whole.images}/" if whole.images else ""
    splits = {
        plain_split(one): [msgspec.structs.replace(whole, inside=start + one)] for one in inner
    }
    return splits, [f"the splits are the folders {', '.join(start + one for one in inner)}"]


def _overlap(a: str, b: str) -> bool:
    """Whether one folder is the other, or lies in it."""
    return a == b or not a or not b or a.startswith(f"{b}/") or b.startswith(f"{a}/")


def _split_folders(place: Path) -> list[str]:
    """The folders of pictures that are called as splits, where they hold most of the pictures."""
    paths = Pictures.below(place).paths
    tops = [path.partition("/")[0] for path in paths if "/" in path]
    inner = sorted({top for top in tops if role(top)})
    roles = {role(top) for top in inner}
    held = sum(1 for top in tops if role(top))
    enough = roles & set(TRAINING) and roles & set(HELD_BACK) and 2 * held > len(paths)
    return inner if enough else []
