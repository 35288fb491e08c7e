"""A source of CVAT's format, and where its pictures lie."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import below, is_below
from ssd_data.core.files.there import is_folder
from ssd_data.core.notes import Tally
from ssd_data.core.structures import Entry
from ssd_data.data.formats.cvat.document import is_ours
from ssd_data.data.formats.parts import files_in
from ssd_data.data.formats.pictures import Named, Pictures, has_picture_ending
from ssd_data.data.formats.tree import Tree
from ssd_data.data.formats.undivided import PartSource

XML = frozenset({".xml"})
IMAGES = "images"


class CvatSource(PartSource, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One CVAT file, or all that lie in a folder.

    Attributes:
        xml: the file or folder below the root; ``.`` for the root itself.
        images: the folder of its pictures, below which their names or ``images/`` lie.
        subset: only the pictures of that subset of a project.
    """

    xml: str
    images: str = ""
    subset: str = ""

    def files(self, root: Path) -> list[str]:
        """Its files, below the root."""
        if not is_folder(below(root, self.xml)):
            return [self.xml]
        folder = "" if self.xml == "." else self.xml
        return [name for name in files_in(Tree(root), XML, folder) if is_ours(root / name)]


class CvatPicture(NamedTuple):
    """A picture that stands in a file.

    Attributes:
        image: its path below the root.
        where: the place in the file that names it.
        entry: makes it, and counts what is odd about it.
    """

    image: str
    subset: str
    where: str
    entry: Callable[[Tally], Entry]


class PictureFolder:
    """The pictures of a source, by the names that CVAT gives them."""

    def __init__(self, root: Path, source: CvatSource) -> None:
        self.start = f"{source.images}/" if source.images else ""
        folder = below(root, source.images) if source.images else root
        self.pictures = Pictures.below(folder)

    def find(self, name: str, subset: str, where: str) -> Named:
        """A picture's path below the root; where it is absent, the one that it should have.

        Raises:
            InputError: several fit, or the name is no path below the root.
        """
        named = (f"{IMAGES}/{subset}/", f"{IMAGES}/", f"{subset}/") if subset else (f"{IMAGES}/",)
        for start in (*named, ""):
            if start + name in self.pictures:
                return Named(self.start + start + name)
        if not has_picture_ending(name):  # a video's frame
            for start in (*named, ""):
                if found := self.pictures.of_stem(start + name, "", where):
                    return Named(self.start + found)
        if other := self.pictures.find(name, where):
            return Named(self.start + other.path, other.how)
        if not is_below(name):
            raise InputError(f'"{name}" is no path below the data set', where=where)
        return Named(f"{self.start}{name}")

    def frames(self, subset: str, where: str) -> dict[int, str]:
        """The frames of a video that are there, by number: ``frame_000012.png`` is 12.

        Raises:
            InputError: two pictures are one frame.
        """
        found: dict[int, str] = {}
        for path in self._of_subset(subset):
            number = frame_number(path)
            if number is None:
                continue
            if number in found:
                raise InputError(
                    f"frame {number} may be two pictures: {found[number]}, {self.start}{path}",
                    where=where,
                    hint="Keep the frames of one video, in one folder",
                )
            found[number] = self.start + path
        return found

    def ordered(self, subset: str) -> list[str]:
        """All pictures, below the root, in the order of their names."""
        return [self.start + path for path in self._of_subset(subset)]

    def _of_subset(self, subset: str) -> list[str]:
        inside = [p for p in self.pictures.paths if subset and f"/{subset}/" in f"/{p}"]
        return inside or list(self.pictures.paths)


def frame_number(path: str) -> int | None:
    """The number of a video's frame by its picture's name, None where it is none.

    >>> frame_number("images/frame_000012.PNG"), frame_number("a12.png")
    (12, None)
    """
    stem = path.rpartition("/")[2].rpartition(".")[0].lower()
    digits = stem.removeprefix("frame_")
    known = digits != stem and digits.isascii() and digits.isdecimal() and len(digits) < 10
    return int(digits) if known else None
