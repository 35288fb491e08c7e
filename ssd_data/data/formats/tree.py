"""A data set's folder and all below it, each folder listed once, whoever asks: formats that look at
the same data set share one :class:`Tree`.

Links to folders are followed, each folder once, so that a circle of links ends; one that is there
itself is found under its own name. Links that leave the data set are refused, see
:mod:`ssd_data.core.files.inside`, but those that ``ssd-data link`` makes: they are no part of it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import NamedTuple

from ssd_data.core.errors import InputError
from ssd_data.core.files.fences import leads_out, refused
from ssd_data.core.files.inside import HeldEntry, entries, is_folder
from ssd_data.core.files.paths import listable
from ssd_data.core.files.there import NOT_THERE, identity
from ssd_data.data.formats.foldernames import is_left_behind

_LISTS = "ImageSets/"

_OWN_LINKS = "_lmdb"  # how they end


def joined(*parts: str) -> str:
    """A path below the root from its parts, of which each may be the root itself.

    >>> joined("a", "", "b/c"), joined(".", "a.jpg")
    ('a/b/c', 'a.jpg')
    """
    return "/".join(part for part in parts if part not in ("", "."))


class HeldNames(NamedTuple):
    """The names of a folder's own folders and files, sorted, but of those left behind; and which of
    the folders are links.
    """

    folders: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    links: frozenset[str] = frozenset()


class Tree:
    """The files below a root; a folder is listed when it is first asked for, and then known.

    Paths are below the root, with ``/``; the root itself is an empty path, or ``.``.

    >>> tree = Tree(Path("sample/voc"))
    >>> tree.folders(), tree.names("ImageSets/Main")
    (('Annotations', 'ImageSets', 'JPEGImages'), ('test.txt', 'trainval.txt'))

    All that lists a folder raises ``InputError`` where a link leaves the data set, or where it
    cannot be listed.

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
        """All files of a folder and its subfolders, as paths from it, sorted."""
        folder = _plain(folder)
        if folder not in self._below:
            self._below[folder] = tuple(sorted(self.walk(folder)))
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

    def walk(
        self, top: str = "", descends: Callable[[str, str], bool] = lambda start, name: True
    ) -> Iterator[str]:
        """All files of a folder, then those of each folder below it, as paths from it.

        Args:
            descends: whether to go into a folder, by the path from ``top`` that leads to it (empty,
                or with ``/`` at its end) and its name.
        """
        seen: set[Hashable] = set()
        waiting, links = [""], list[str]()
        while waiting or links:
            start = waiting.pop() if waiting else links.pop(0)
            folder = f"{top}/{start}".strip("/")
            one = identity(self.path(folder))
            if one is None or one in seen:
                continue
            seen.add(one)
            held = self._held(folder)
            yield from (start + name for name in held.files)
            for name in reversed(held.folders):
                if descends(start, name):
                    (links if name in held.links else waiting).append(f"{start}{name}/")

    def _held(self, folder: str) -> HeldNames:
        path = str(self.path(folder))
        if path not in self._known:
            self._known[path] = _listed(path)
        return self._known[path]


def _listed(path: str) -> HeldNames:
    """What lies in a folder: the one place where the disk is asked.

    Raises:
        InputError: a link leaves the data set, or the system does not let it be listed.
    """
    folders: list[str] = []
    files: list[str] = []
    links: set[str] = set()
    try:
        held = entries(path)
    except OSError as error:
        if error.errno in NOT_THERE:
            return HeldNames()
        raise InputError(
            f"this folder cannot be listed: {error.strerror}",
            where=listable(path),
            hint="What lies in it would be missing: make it readable, or move it away",
        ) from None
    for entry in held:
        if is_left_behind(entry.name):
            continue
        if not is_folder(entry):
            files.append(entry.name)
        elif not entry.is_symlink():
            folders.append(entry.name)
        elif _is_followed(entry):
            folders.append(entry.name)
            links.add(entry.name)
    return HeldNames(tuple(sorted(folders)), tuple(sorted(files)), frozenset(links))


def _is_followed(link: HeldEntry) -> bool:
    """Whether a link to a folder is part of the data set.

    Raises:
        InputError: it leaves it.
    """
    if not leads_out(link.path):
        return True
    if link.name.endswith(_OWN_LINKS):
        return False
    raise refused(link.path)


def _plain(folder: str) -> str:
    return "" if folder == "." else folder
