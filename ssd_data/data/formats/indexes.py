"""Pictures that one file lists, with what it says of them: a CSV, a manifest, metadata.

Cells and lines name pictures as tools write them; which are whose, a source says.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from ssd_data.core.errors import InputError
from ssd_data.core.files.fences import require_inside
from ssd_data.core.files.paths import listable
from ssd_data.core.headers.read import read_header
from ssd_data.core.images import picture_bytes
from ssd_data.core.notes import Tally
from ssd_data.core.options import MAX_PIXELS
from ssd_data.data.formats.fournumbers import Size
from ssd_data.data.formats.pictures import Named, Pictures, has_picture_ending
from ssd_data.data.formats.splits import is_training, role
from ssd_data.data.formats.undivided import PartSource

ELSEWHERE = "picture that lies in no split's folder (left out)"


class ListedSource(PartSource, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A file that lists pictures, or the part of them that is of one split.

    Attributes:
        images: the folder of its pictures; left out, they are looked for everywhere.
        inside: only the pictures of that folder.
        rest: whether pictures of the folder that nothing is said of are pictures without
            annotation; else they are left out.
        beside: then, the files of the other splits: pictures that none of them names are counted.
    """

    images: str = ""
    inside: str = ""
    rest: bool = True
    beside: tuple[str, ...] = ()

    def folders(self) -> list[str]:
        """Those of its paths that are there for pictures, and its list."""
        return [path for path in (self.images, self.inside, self.only) if path]

    def takes(self, path: str, here: bool, notes: Tally) -> bool:
        """Whether a picture is of its folder; one that is of no split's is counted for training.

        Args:
            path: below the root. here: whether there is such a picture.
        """
        if not self.inside or path.startswith(f"{self.inside}/"):
            return True
        parent, slash, own = self.inside.rpartition("/")
        top, inner, _ = path.removeprefix(parent + slash).partition("/")
        if not is_training(own) or (path.startswith(parent + slash) and inner and role(top)):
            return False
        if here:
            notes.add(ELSEWHERE, path)
        return not here

    def unnamed(self, pictures: Pictures, named: Collection[str]) -> Iterator[str]:
        """Pictures that lie where the named ones do, but are none of them."""
        places = {posixpath.dirname(path) for path in named}
        start = f"{self.inside}/" if self.inside else ""
        for path in pictures.paths:
            if path not in named and path.startswith(start) and posixpath.dirname(path) in places:
                yield path


class ListedFinder:
    """The pictures of a source, by the names that a file gives them: beside it, in the folder of
    pictures, else anywhere below the root by the end of the path."""

    def __init__(self, root: Path, source: ListedSource, file: str) -> None:
        every = Pictures.below(root)
        # The folder of one split must not lend from another's.
        own = source.images if role(posixpath.basename(source.images)) else ""
        start = f"{own}/" if own else ""
        self.root = root
        self.pictures = Pictures(root, [p for p in every.paths if p.startswith(start)])
        self._starts = tuple(dict.fromkeys((source.images, posixpath.dirname(file), "")))

    def find(self, name: str, where: str) -> Named | None:
        """A picture's path below the root; None where it is not here.

        Raises:
            InputError: several fit.
        """
        plain = name.replace("\\", "/").removeprefix("./")
        for start in self._starts:
            if (path := posixpath.join(start, plain)) in self.pictures:
                return Named(path)
        if not has_picture_ending(plain):
            for start in self._starts:
                if found := self.pictures.of_stem(posixpath.join(start, plain), "", where):
                    return Named(found)
        return self.pictures.find(name, where)

    def absent(self, name: str, where: str) -> InputError:
        """That a picture is not here, with the one that is nearly called so."""
        hint = self.pictures.spelling_hint(name)
        return InputError(f'the picture "{listable(name)}" is not here', where=where, hint=hint)

    def paths_of(self, names: Iterable[str]) -> set[str]:
        """The pictures of some names that are here."""
        found: set[str] = set()
        for name in names:
            try:
                one = self.find(name, "")
            except InputError:
                continue
            found.update([one.path] if one else [])
        return found

    def size_of(self, name: str) -> Size | None:
        """Width and height of the picture of a name by its header; None where it has none."""
        try:
            found = self.find(name, "")
        except InputError:
            return None
        return picture_size(self.root / found.path) if found else None


def picture_size(path: Path) -> Size | None:
    """Width and height of a picture by its header; None where it has none."""
    require_inside(path)
    try:
        return size_of(picture_bytes(path, str(path), again=True))
    except InputError:
        return None


def size_of(picture: bytes) -> Size | None:
    """The same of a file's bytes."""
    try:
        info = read_header(picture, "", MAX_PIXELS, whole=False)
    except InputError:
        return None
    return info.width, info.height
