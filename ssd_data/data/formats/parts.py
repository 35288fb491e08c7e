"""Folders of a data set that are called as people call them: ``train``, ``Labels``, ``images``.

A folder of any other name may be another data set.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from itertools import islice
from pathlib import Path

from ssd_data.data.formats.pictures import has_picture_ending
from ssd_data.data.formats.splits import role
from ssd_data.data.formats.tree import Tree

DEPTH = 8
MOST_STRAYS = 1000  # files that are looked into
_ANNOTATIONS = ("annotation", "annotations", "anno", "annos", "ann", "anns", "label", "labels")
_KINDS = ("xml", "xmls", "json", "jsons", "csv", "csvs", "cvat", "labelme", "metadata", "bbox")
_PICTURES = ("image", "images", "img", "imgs", "picture", "pictures", "photos", "jpegimages")
_NAMES = frozenset((*_ANNOTATIONS, *_KINDS, *_PICTURES, "boxes", "data", "dataset", "frames"))


def is_kind(name: str) -> bool:
    """Whether a folder of that name holds files of one kind, pictures or annotations.

    >>> is_kind("Labels"), is_kind("train")
    (True, False)
    """
    return name.lower() in _NAMES


def is_part(name: str) -> bool:
    """Whether a folder of that name is part of the data set that it lies in.

    >>> [is_part(name) for name in ("Labels", "val2017", "images", "second_project")]
    [True, True, True, False]
    """
    return is_kind(name) or role(name) is not None


def files_of(
    tree: Tree, endings: Collection[str], folder: str = "", *, everywhere: bool = False
) -> Iterator[str]:
    """Files of a folder, then those below its parts; below the root, sorted.

    Args:
        endings: as ``.xml``, in small letters.
        everywhere: those below its other folders, too.
    """
    yield from _files(tree, folder, endings, DEPTH, everywhere)


def files_in(tree: Tree, endings: Collection[str], folder: str = "") -> Iterator[str]:
    """Files that lie in a folder itself, sorted; as :func:`files_of`."""
    start = f"{folder}/" if folder else ""
    for name in tree.names(folder):
        if f".{name.rpartition('.')[2].lower()}" in endings:
            yield start + name


def stray(
    tree: Tree,
    endings: Collection[str],
    known: Collection[str],
    is_one: Callable[[Path], bool],
) -> list[str]:
    """What to say of a file like the ``known`` ones that lies in no part; empty where none does."""
    others = (p for p in files_of(tree, endings, everywhere=True) if p not in known)
    for name in islice(others, MOST_STRAYS):
        if is_one(tree.path(name)):
            return [f"{name} is like these, but it is not read: build its folder by itself"]
    return []


def _files(
    tree: Tree, folder: str, endings: Collection[str], depth: int, everywhere: bool
) -> Iterator[str]:
    yield from files_in(tree, endings, folder)
    start = f"{folder}/" if folder else ""
    for name in tree.folders(folder) if depth else ():
        if everywhere or is_part(name):
            yield from _files(tree, start + name, endings, depth - 1, True)


def holds_picture(tree: Tree, folder: str = "", *, below: bool = True, count: int = 1) -> bool:
    """Whether ``count`` pictures lie in a folder, or (``below``) in it and its folders."""
    names = tree.below(folder) if below else tree.names(folder)
    return len(list(islice(filter(has_picture_ending, names), count))) == count


def picture_folder(tree: Tree, beside: str, split: str) -> str:
    """Where the pictures of an annotation file lie, below the root; empty for the root itself.

    Its own folder comes first, then what is called after the split or after pictures.

    Args:
        beside: the annotation's folder below the root.
        split: of its pictures, empty where none is known.
    """
    own = f"{beside}/" if beside else ""
    named = [f"{own}images/{split}", f"{own}images", beside, f"images/{split}", split, "images"]
    for name in dict.fromkeys(named):
        if name and not name.endswith("/") and holds_picture(tree, name):
            return name
    if holds_picture(tree, below=False):
        return ""
    held = [name for name in tree.folders() if is_part(name) and holds_picture(tree, name)]
    return held[0] if len(held) == 1 else ""
