"""Files in the parts of a data set, folders such as ``train``, ``Labels``, ``images``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from itertools import islice
from pathlib import Path

from ssd_data.core.files.inside import is_file
from ssd_data.data.formats.foldernames import is_part
from ssd_data.data.formats.pictures import has_picture_ending
from ssd_data.data.formats.walking import folders_in, walk

DEPTH = 8
MOST_STRAYS = 1000  # files that are looked into


def files_of(folder: Path, endings: Collection[str], *, everywhere: bool = False) -> Iterator[str]:
    """Files of a folder, then those below its parts; with ``/``, sorted.

    Args:
        endings: as ``.xml``, in small letters.
        everywhere: those below its other folders, too.
    """
    yield from _files(folder, endings, DEPTH, everywhere)


def files_in(folder: Path, endings: Collection[str]) -> Iterator[str]:
    """Files that lie in a folder itself, sorted; as :func:`files_of`."""
    yield from _files(folder, endings, 0, False)


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


def _files(folder: Path, endings: Collection[str], depth: int, everywhere: bool) -> Iterator[str]:
    def descends(start: str, name: str) -> bool:
        return start.count("/") < depth and (everywhere or bool(start) or is_part(name))

    for start, files in walk(folder, descends):
        ours = [f for f in files if f".{f.name.rpartition('.')[2].lower()}" in endings]
        yield from (start + name for name in sorted(file.name for file in ours if is_file(file)))


def holds_picture(folder: Path, *, below: bool = True, count: int = 1) -> bool:
    """Whether ``count`` pictures lie in a folder, or (``below``) in it and its folders."""
    found = 0
    for _, files in walk(folder, lambda start, name: below):
        found += sum(has_picture_ending(file.name) for file in files)
        if found >= count:
            return True
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
    inner = [name for name in folders_in(root) if is_part(name)]
    held = [name for name in inner if holds_picture(root / name)]
    return held[0] if len(held) == 1 else ""
