"""A folder and all below it, each folder listed once, whoever asks: formats that look at the same
data set share one :class:`Tree`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

_LEFT_BEHIND = frozenset({"__MACOSX", ".ipynb_checkpoints", "@eaDir", "$RECYCLE.BIN"})

_LISTS = "ImageSets/"


def is_left_behind(path: str) -> bool:
    """Whether a system left it there: hidden files, AppleDouble's (``._``), a notebook's, a bin."""
    return any(map(_is_hidden, path.split("/")))


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name in _LEFT_BEHIND


class HeldNames(NamedTuple):
    """The names of a folder's own folders and files, sorted, but of those left behind."""

    folders: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


class Tree:
    """The files below a root; a folder is listed when it is first asked for, and then known.

    Paths are below the root, with ``/``; the root itself is an empty path, or ``.``.

    >>> tree = Tree(Path("sample/voc"))
    >>> tree.folders(), tree.names("ImageSets/Main")
    (('Annotations', 'ImageSets', 'JPEGImages'), ('test.txt', 'trainval.txt'))

    Attributes:
        root: the folder.
    """

    def __init__(self, root: Path, known: dict[str, HeldNames] | None = None) -> None:
        self.root = root
        self._known = {} if known is None else known
        self._below: dict[str, tuple[str, ...]] = {}
        self._endings: frozenset[str] | None = None

    def inner(self, folder: str) -> Tree:
        """One of its folders as a tree of its own; what is listed is known to both."""
        return Tree(self.path(folder), self._known)

    def path(self, path: str) -> Path:
        """A path below the root as the system knows it."""
        return self.root / path if path else self.root

    def folders(self, folder: str = "") -> tuple[str, ...]:
        """The names of a folder's own folders, sorted; none where it is not there."""
        return self._held(_plain(folder)).folders

    def names(self, folder: str = "") -> tuple[str, ...]:
        """The names of a folder's own files, sorted; none where it is not there."""
        return self._held(_plain(folder)).files

    def below(self, folder: str = "") -> tuple[str, ...]:
        """All files of a folder and its subfolders, as paths from it, sorted.

        Links to folders are followed, each folder once.
        """
        folder = _plain(folder)
        if folder not in self._below:
            self._below[folder] = tuple(sorted(self._walk(folder)))
        return self._below[folder]

    @property
    def endings(self) -> frozenset[str]:
        """The endings of all files, such as ``.xml``, in small letters; lists of splits in
        ``ImageSets`` do not count, which tell no format of annotations.
        """
        if self._endings is None:
            names = (name for name in self.below() if not name.startswith(_LISTS))
            found = {name.rpartition("/")[2].rpartition(".")[2] for name in names}
            self._endings = frozenset(f".{ending.lower()}" for ending in found)
        return self._endings

    def _walk(self, top: str) -> list[str]:
        found: list[str] = []
        seen: set[tuple[int, int]] = set()
        left = [top]
        while left:
            folder = left.pop()
            try:
                status = os.stat(self.path(folder))  # noqa: PTH116
            except OSError:
                continue
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            held = self._held(folder)
            above = f"{folder}/" if folder else ""
            start = above.removeprefix(f"{top}/") if top else above
            found += [start + name for name in held.files]
            left += [above + name for name in reversed(held.folders)]
        return found

    def _held(self, folder: str) -> HeldNames:
        key = str(self.path(folder))
        if key not in self._known:
            self._known[key] = self._list(folder)
        return self._known[key]

    def _list(self, folder: str) -> HeldNames:
        """What lies in a folder: the one place where the disk is asked."""
        folders: list[str] = []
        files: list[str] = []
        try:
            with os.scandir(self.path(folder)) as entries:
                for entry in entries:
                    if not _is_hidden(entry.name):
                        (folders if _is_folder(entry) else files).append(entry.name)
        except OSError:
            return HeldNames()
        return HeldNames(tuple(sorted(folders)), tuple(sorted(files)))


def _plain(folder: str) -> str:
    return "" if folder == "." else folder


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder, or a link to one; what cannot be asked is a file."""
    try:
        return entry.is_dir()
    except OSError:
        return False
