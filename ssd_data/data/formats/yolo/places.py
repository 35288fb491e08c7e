"""Where YOLO's files lie: paths that were written on another machine, and the txt of a picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from posixpath import normpath
from typing import NamedTuple

from ssd_data.core.files.paths import is_below
from ssd_data.core.files.there import is_folder, is_there
from ssd_data.data.formats.pictures import stem_of
from ssd_data.data.formats.tree import Tree, joined
from ssd_data.data.formats.yolo.schema import IMAGES

PICTURE_FOLDERS = (IMAGES, "image", "imgs", "img", "jpegimages", "pictures")
LABEL_FOLDERS = ("labels", "label", "txt", "annotations", "annotation")
MOST_PARTS = 100


class YoloPlace(NamedTuple):
    """A path below the root; ``exact`` where it is the one that was written."""

    path: str
    exact: bool


def resolve(root: Path, stated: str, base: str = "") -> YoloPlace | None:
    """What a path means that a ``data.yaml`` or ``.data`` has; None where nothing is there.

    It is below ``base`` (``path:`` of a ``data.yaml``) where that is a folder here, else below the
    root; else it is what has its last parts: tools write their paths as seen from their own
    folder, or absolute. So ``../train/images`` of Roboflow and Darknet's ``data/train.txt`` are
    found.
    """
    tails, above = list(_tails(stated)), ["", *_tails(base)]
    exact = _relative(root, stated)
    if exact and (start := inner_base(root, base)) and not _is_absolute(stated):
        exact = normpath(joined(start, exact))
    for path in [exact, *(joined(start, tail) for tail in tails for start in above)]:
        if is_here(root, path):
            return YoloPlace(path, exact == path)
    return None


def is_here(root: Path, path: str) -> bool:
    """Whether something lies at a path, and below the root."""
    return is_below(path) and is_there(root / path)


def inner_base(root: Path, base: str) -> str:
    """The folder that ``path:`` names, below the root; empty where it is the root or not there."""
    path = _relative(root, base) if base else ""
    return path if path not in ("", ".") and is_here(root, path) else ""


def is_elsewhere(root: Path, base: str) -> bool:
    """Whether ``path:`` names a folder that is not here."""
    return bool(base) and _relative(root, base) != "." and not inner_base(root, base)


def _is_absolute(stated: str) -> bool:
    return _slashed(stated).startswith("/")


def _relative(root: Path, stated: str) -> str:
    """A path as it is written, below the root; empty where it lies elsewhere."""
    path = normpath(_slashed(stated) or ".")
    start = str(root.resolve())
    if path == start or path.startswith(f"{start}/"):
        return path[len(start) :].lstrip("/") or "."
    return "" if path.startswith(("/", "../")) or path == ".." else path


def _tails(stated: str) -> Iterator[str]:
    """The last parts of a path, the most of them first."""
    parts = [part for part in _slashed(stated).split("/") if part not in ("", ".", "..")]
    parts = parts[-MOST_PARTS:]
    yield from ("/".join(parts[at:]) for at in range(len(parts)))


def _slashed(stated: str) -> str:
    return stated.strip().replace("\\", "/")


@dataclass(frozen=True, slots=True)
class Pair:
    """A picture and its txt, below the root.

    Attributes:
        there: whether that exists.
        how: in which way other than by its very name it was found.
    """

    image: str
    label: str
    there: bool
    how: str = ""


class LabelFolders:
    """Finds the txt of pictures.

    Args:
        tree: the data set's.
        images, labels: a source's own; empty where the rule holds.
    """

    def __init__(self, tree: Tree, images: str = "", labels: str = "") -> None:
        self.tree, self.images, self.labels = tree, images, labels
        self._folders: dict[str, str] = {}
        self._texts: dict[str, dict[str, str]] = {}

    def of(self, folder: str) -> str:
        """The folder of the txt whose pictures lie in ``folder``."""
        if folder not in self._folders:
            self._folders[folder] = self._find(folder)
        return self._folders[folder]

    def _find(self, folder: str) -> str:
        if self.labels:
            inside = folder if self.images in ("", ".") else folder[len(self.images) :].lstrip("/")
            return joined(self.labels, inside) if inside else self.labels
        parts = folder.split("/")
        at = max((i for i, part in enumerate(parts) if part.lower() in PICTURE_FOLDERS), default=-1)
        if at < 0:
            return folder
        above = "/".join(parts[:at])
        for name in label_folders(self.tree, above):
            path = "/".join([*parts[:at], name, *parts[at + 1 :]])
            if is_folder(self.tree.path(path)):
                return path
        return folder

    def texts(self, folder: str) -> dict[str, str]:
        """The txt files of a folder, by their names without ending."""
        if folder not in self._texts:
            names = reversed(self.tree.names(folder))
            ours = (name for name in names if name[-4:].lower() == ".txt")
            self._texts[folder] = {name[:-4]: name for name in ours}
        return self._texts[folder]

    def pair(self, image: str) -> Pair:
        """A picture with the txt of its name."""
        above, _, name = image.rpartition("/")
        folder = self.of(above)
        stem = stem_of(name)
        found = self.texts(folder).get(stem)
        return Pair(image, joined(folder, found or f"{stem}.txt"), found is not None)


def picture_folders(tree: Tree, folder: str = "") -> list[str]:
    """A folder's own that are called as one of pictures, the usual names first."""
    return _called(tree, folder, PICTURE_FOLDERS)


def label_folders(tree: Tree, folder: str = "") -> list[str]:
    """A folder's own that are called as one of labels, the usual names first."""
    return _called(tree, folder, LABEL_FOLDERS)


def _called(tree: Tree, folder: str, words: Sequence[str]) -> list[str]:
    found = [name for name in tree.folders(folder) if name.lower() in words]
    return sorted(found, key=lambda name: (words.index(name.lower()), name not in words))
