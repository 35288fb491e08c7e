"""Folders of a data set that are called as people call them: ``train``, ``Labels``, ``images``.

A folder of any other name may be another data set.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from itertools import islice
from pathlib import Path

from ssd_data.data.formats.pictures import has_picture_ending
from ssd_data.data.formats.splits import role
from ssd_data.data.formats.tree import is_left_behind

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


def files_of(folder: Path, endings: Collection[str], *, everywhere: bool = False) -> Iterator[str]:
    """Files of a folder, then those below its parts; with ``/``, sorted.

    Args:
        endings: as ``.xml``, in small letters.
        everywhere: those below its other folders, too.
    """
    yield from _files(folder, "", endings, DEPTH, everywhere)


def files_in(folder: Path, endings: Collection[str]) -> Iterator[str]:
    """Files that lie in a folder itself, sorted; as :func:`files_of`."""
    yield from _files(folder, "", endings, 0, False)


def stray(
    folder: Path,
    endings: Collection[str],
    known: Collection[str],
    is_one: Callable[[Path], bool],
) -> list[str]:
    """What to say of a file like the ``known`` ones that lies in no part; empty where none does."""
    others = (p for p in files_of(folder, endings, everywhere=True) if p not in known)
    for name in islice(others, MOST_STRAYS):
        if is_one(folder / name):
            return [f"{name} is like these, but it is not read: build its folder by itself"]
    return []


def _files(
    folder: Path, start: str, endings: Collection[str], depth: int, everywhere: bool
) -> Iterator[str]:
    files, folders = [], []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                name = entry.name
                if f".{name.rpartition('.')[2].lower()}" in endings and entry.is_file():
                    files.append(name)
                elif depth and entry.is_dir() and (everywhere or is_part(name)):
                    folders.append(name)
    except OSError:
        return
    yield from (start + name for name in sorted(files) if not is_left_behind(name))
    for name in sorted(folders):
        if not is_left_behind(name):
            yield from _files(folder / name, f"{start}{name}/", endings, depth - 1, True)


def holds_picture(folder: Path, *, below: bool = True, count: int = 1) -> bool:
    """Whether ``count`` pictures lie in a folder, or (``below``) in it and its folders."""
    found = 0
    for _, folders, names in os.walk(folder):
        for name in names:
            found += has_picture_ending(name) and not is_left_behind(name)
            if found >= count:
                return True
        folders[:] = [name for name in sorted(folders) if below and not is_left_behind(name)]
    return False


def picture_folder(root: Path, beside: str, split: str) -> str:
    """Where the pictures of an annotation file lie, below the root; empty for the root itself.

    Its own folder comes first, then what is called after the split or after pictures.

    Args:
        beside: the annotation's folder below the root.
        split: of its pictures, empty where none is known.
    """
    own = f"{beside}/" if beside else ""
    named = [f"{own}images/{split}", f"{own}images", beside, f"images/{split}", split, "images"]
    for name in dict.fromkeys(named):
        if name and not name.endswith("/") and holds_picture(root / name):
            return name
    if holds_picture(root, below=False):
        return ""
    inner = [p.name for p in sorted(root.iterdir()) if p.is_dir() and is_part(p.name)]
    held = [name for name in inner if holds_picture(root / name)]
    return held[0] if len(held) == 1 else ""
