"""Files in the parts of a data set, folders such as ``train``, ``Labels``, ``images``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from itertools import islice
from pathlib import Path

from ssd_data.data.formats.foldernames import is_part
from ssd_data.data.formats.pictures import has_picture_ending
from ssd_data.data.formats.tree import Tree

DEPTH = 8
MOST_STRAYS = 1000  # files that are looked into


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
    def descends(start: str, name: str) -> bool:
        return start.count("/") < depth and (everywhere or bool(start) or is_part(name))

    above = f"{folder}/" if folder else ""
    for path in tree.walk(folder, descends):
        if f".{path.rpartition('/')[2].rpartition('.')[2].lower()}" in endings:
            yield above + path


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
