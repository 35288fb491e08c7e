"""Lists of pictures, a name a line, as ``ImageSets/Main/train.txt`` is one.

Names stand as people and tools write them: without ending or with it, with folders before them,
absolute, in lines that end with CR. A list of one class (``cat_train.txt``) has a flag behind each
name, -1, 0 or 1: the picture is in the split whatever it says. ``*_train.txt`` unites such lists.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ssd_data.core.errors import InputError
from ssd_data.core.files.inside import read_head, read_text
from ssd_data.core.files.paths import below
from ssd_data.core.files.there import is_file
from ssd_data.core.notes import Tally
from ssd_data.data.formats import annotation_files
from ssd_data.data.formats.pictures import (
    Named,
    Pictures,
    has_picture_ending,
    stem_of,
)
from ssd_data.data.formats.tree import Tree

MOST_BYTES = 64 << 20
MOST_SHOWN = 100  # names of a line that are counted
ENDING = ".txt"
FLAGS = frozenset(("-1", "0", "1", "+1"))
_HEAD = 1 << 16
_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class NameList:
    """A list.

    Attributes:
        path: the file, from the data set's root.
        lines: all of them, without spaces at their ends.
    """

    path: str
    lines: Sequence[str]

    @classmethod
    def read(cls, root: Path, path: str) -> NameList:
        """A list.

        Raises:
            InputError: it is absent, no UTF-8 text or too large.
        """
        return cls(path, _lines(read_text(below(root, path), "list", MOST_BYTES)))

    @classmethod
    def of(cls, file: Path) -> NameList:
        """The list that a file is, wherever it lies; as :meth:`read`."""
        return cls(str(file), _lines(read_text(file, "list of pictures", MOST_BYTES)))

    @property
    def flagged(self) -> bool:
        """Whether all lines end with -1, 0 or 1, as those of a class's list do."""
        return _all_flagged(self.lines)

    def where(self, number: int) -> str:
        """A line's place, for errors."""
        return f"{self.path}:{number}"


def seems_flagged(file: Path) -> bool:
    """Whether a file's first lines are those of a class's list."""
    try:
        head = read_head(file, "list", MOST_BYTES, _HEAD).decode("utf-8-sig", "replace")
    except InputError:
        return False
    lines = _lines(head)
    return _all_flagged(lines if len(head) < _HEAD else lines[:-1])


def _lines(text: str) -> list[str]:
    return [line.strip() for line in _LINE_END.split(text)]


def _all_flagged(lines: Sequence[str]) -> bool:
    return any(lines) and all(_unflagged(line) != line for line in lines if line)


def _unflagged(line: str) -> str:
    name, *flag = line.rsplit(maxsplit=1)
    return name if flag and flag[0] in FLAGS else line


@dataclass(frozen=True)
class Finder:
    """Finds the pictures that lists name.

    Attributes:
        pictures: those there are.
        above: what may stand before their paths: the folders from the root, from the tree.
        stated: the picture's name that the annotation of a path without ending states; decides
            between pictures that differ by their endings only.
    """

    pictures: Pictures
    above: Sequence[str]
    stated: Callable[[str], str]

    @classmethod
    def of(cls, tree: Tree, folder: str, stated: Callable[[str], str], base: str = "") -> Finder:
        """That of a folder of pictures.

        Args:
            tree: the data set's; folder: that of the pictures below it, empty for the root itself.
            base: a folder below the root, from which names may be as well.
        """
        place = below(tree.root, folder) if folder else tree.root
        starts = [str(place.resolve()), folder, folder.removeprefix(f"{base}/")]
        above = tuple(f"{start}/" for start in dict.fromkeys(starts) if start)
        return cls(Pictures.of(tree, folder), above, stated)

    def plain(self, text: str) -> str:
        """A list's text as a path below the folder of the pictures, as far as it is one."""
        text = text.removeprefix("./")
        for start in self.above:
            if text.startswith(start):
                return text.removeprefix(start)
        return text

    def has(self, text: str) -> bool:
        """Whether a picture is called so, with or without its ending."""
        return any(
            name in self.pictures or name in self.pictures.by_stem
            for name in (text, self.plain(text))
        )

    def find(self, text: str, where: str) -> Named | None:
        """The picture of a list's text; None where there is none.

        Raises:
            InputError: several pictures may be meant.
        """
        if named := self._plainly(text, where) or self._plainly(self.plain(text), where):
            return named
        named = self.pictures.find(text, where)
        if named and named.how == "without its ending":
            return Named(named.path, "by its name alone")
        return named

    def _plainly(self, name: str, where: str) -> Named | None:
        """The picture of that path, with or without its ending."""
        found = self.pictures.by_stem.get(name, ())
        if name in self.pictures:
            return Named(name)
        if len(found) > 1:
            picture = self.pictures.of_stem(name, self.stated(name), where)
            return None if picture is None else Named(picture)
        return Named(found[0]) if found else None


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of a list.

    Attributes:
        text: the name, without a flag.
        where: its place.
        picture: below the folder of the pictures; None where there is none of that name.
    """

    text: str
    where: str
    picture: Named | None


def pictures_of(names: NameList, finder: Finder) -> Iterator[Listed]:
    """The pictures of a list, in its order.

    Raises:
        InputError: a line has several names, or may mean several pictures.
    """
    flagged = names.flagged and not any(map(finder.has, names.lines))
    for number, line in enumerate(names.lines, 1):
        if not line:
            continue
        text = _unflagged(line) if flagged else line
        where = names.where(number)
        picture = finder.find(text, where)
        if picture is None and (image := _image_of(text)):
            picture = finder.find(image, where)
        if picture is None:
            _require_one(text, finder, where)
        yield Listed(text, where, picture)


def _image_of(line: str) -> str:
    """The picture of a line that names its annotation, too, as a build's own lists do."""
    image, _, annotation = line.partition("\t") if "\t" in line else line.rpartition(" ")
    stems = [stem_of(path.rpartition("/")[2]) for path in (image, annotation)]
    ending = f".{annotation.rpartition('.')[2].lower()}"
    return image.strip() if ending in annotation_files() and stems[0] == stems[1] else ""


def _require_one(text: str, finder: Finder, where: str) -> None:
    words = text.split(maxsplit=MOST_SHOWN)[:MOST_SHOWN]
    if len(words) > 1 and all(map(finder.has, words)):
        raise InputError(
            f"{len(words)}{' or more' * (len(words) == MOST_SHOWN)} pictures stand in one line",
            where=where,
            hint="A list has one name a line",
        )


def read_listed(root: Path, path: str, finder: Finder, notes: Tally) -> Iterator[Listed]:
    """The pictures of a list, or of all that a ``*`` in its name unites, each of these once.

    Raises:
        InputError: there is no such list, or see :func:`pictures_of`.
    """
    lists = united(root, path)
    seen: set[str] = set()
    for one in lists:
        for listed in pictures_of(NameList.read(root, one), finder):
            name = listed.picture.path if listed.picture else listed.text
            if name in seen:
                if len(lists) == 1:
                    notes.add("picture stands more than once in the list", listed.where)
                else:
                    continue
            seen.add(name)
            if listed.picture and listed.picture.how:
                kind = f"picture of a list found {listed.picture.how}"
                notes.add(kind, f"{listed.where}: {listed.text}: {listed.picture.path}")
            yield listed


def united(root: Path, path: str) -> list[str]:
    """The lists that a path means: itself, or with a ``*`` in its name those that fit, sorted."""
    folder, _, name = path.rpartition("/")
    if "*" not in name or is_file(below(root, path)):
        return [_as_spelt(root, path)]
    start, _, end = name.lower().partition("*")
    above = f"{folder}/" if folder else ""
    fitting = [
        above + one
        for one in lists_in(Tree(root), folder)
        if one.lower().startswith(start) and one.lower().endswith(end) and len(one) >= len(name)
    ]
    if not fitting:
        raise InputError("there is no such list", where=path)
    return fitting


def lists_in(tree: Tree, folder: str) -> list[str]:
    """The names of a folder that end as lists do, sorted; none where it is not there."""
    names = sorted((*tree.names(folder), *tree.folders(folder)))
    return [name for name in names if name.lower().endswith(ENDING)]


def _as_spelt(root: Path, path: str) -> str:
    """A list's path with the ending that it has there: ``train.TXT``."""
    file = below(root, path)
    if is_file(file):
        return path
    others = (n for n in lists_in(Tree(file.parent), "") if n.rpartition(".")[0] == file.stem)
    return path[: -len(file.name)] + next(others, file.name)


def missing_picture(listed: Listed, finder: Finder) -> tuple[str, str]:
    """Where a listed picture that is not there would lie: its path without ending, and with it."""
    text = finder.plain(listed.text.replace("\\", "/"))
    if has_picture_ending(text):
        return text.rpartition(".")[0], text
    return text, f"{text}.jpg"
