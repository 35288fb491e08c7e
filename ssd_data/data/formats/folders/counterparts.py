"""What a folder holds: its pictures, its annotations, and which folders of both go together.

What counts is which files there are, not how folders are called: a picture and its annotation have
the same path from the two folders, without ending, or at least the same name.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ssd_data.data.formats import annotation_files
from ssd_data.data.formats.pictures import has_picture_ending, owner_of, stem_of
from ssd_data.data.formats.splits import role
from ssd_data.data.formats.tree import Tree, joined

MOST_FOLDERS = 50  # side by side, of which pairs are looked for
_LOOKED_AT = 20


@dataclass(frozen=True, slots=True)
class Place:
    """A folder of pictures and one of their annotations; both may be the same.

    Attributes:
        images, labels: below the root; empty for the root itself.
        suffix: the annotations' ending; empty where there are none.
        matched: how many annotations have a picture.
        sure: whether half of those looked at, or more, are what their ending says.
        by_name: whether only the names agree, not the folders, as ``train/a`` and ``a`` do.
        alone: whether there are no annotations of another ending for these pictures.
    """

    images: str
    labels: str
    suffix: str
    matched: int = 0
    sure: bool = False
    by_name: bool = False
    alone: bool = True

    @property
    def rank(self) -> tuple[bool, bool, int]:
        """The higher, the likelier."""
        return self.sure, not self.by_name, self.matched


class Counterparts:
    """The pictures and annotations of a folder.

    Attributes:
        tree: the data set's.
        pictures: paths below it without ending.
        annotations: per ending the paths without it, and with it.
    """

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.pictures: list[str] = []
        self.annotations: dict[str, dict[str, str]] = {}
        kinds = annotation_files()
        for path in tree.below():
            if has_picture_ending(path):
                self.pictures.append(stem_of(path))
            elif (suffix := f".{path.rpartition('.')[2].lower()}") in kinds:
                self.annotations.setdefault(suffix, {})[owner_of(path)] = path

    def below(self, prefix: str) -> list[str]:
        """The pictures below a folder, as paths from it without ending."""
        return under(self.pictures, prefix)

    def pairs(self, prefix: str) -> Iterator[Place]:
        """All folders of pictures and of annotations, at or right below one, that go together."""
        below = {suffix: under(files, prefix) for suffix, files in self.annotations.items()}
        if not any(below.values()):
            return
        pictures, inside = _split(self.below(prefix))
        for suffix, files in below.items():
            there, of_labels = _split(files)
            yield from self._pair(prefix, prefix, suffix, pictures, there)
            for one, paths in of_labels.items():
                yield from self._pair(prefix, joined(prefix, one), suffix, pictures, paths)
            for name, known in inside.items():
                images = joined(prefix, name)
                yield from self._pair(images, prefix, suffix, known, there)
                for one, paths in of_labels.items():
                    if one != name and not (role(one) and role(name) and role(one) != role(name)):
                        # A folder of both is a data set of its own.
                        pure = name not in of_labels and one not in inside
                        labels = joined(prefix, one)
                        yield from self._pair(images, labels, suffix, known, paths, by_name=pure)

    def _pair(
        self,
        images: str,
        labels: str,
        suffix: str,
        pictures: set[str],
        annotations: set[str],
        by_name: bool = False,
    ) -> Iterator[Place]:
        """The two folders, where a picture of the one has an annotation in the other."""
        matched = pictures & annotations
        by_name = by_name and not matched
        if by_name:
            names = {name_of(path) for path in pictures}
            matched = {path for path in annotations if name_of(path) in names}
        if matched:
            looked = heapq.nsmallest(_LOOKED_AT, matched)
            right = sum(self._is(joined(labels, path), suffix) for path in looked)
            sure = 2 * right >= len(looked)
            yield Place(images, labels, suffix, len(matched), sure, by_name)

    def _is(self, stem: str, suffix: str) -> bool:
        """Whether an annotation is what its ending says."""
        return annotation_files()[suffix].claims(self.tree.path(self.annotations[suffix][stem]))


def name_of(path: str) -> str:
    """A path's last part."""
    return path.rpartition("/")[2]


def under(paths: Iterable[str], prefix: str) -> list[str]:
    """The paths below a folder, as from it.

    >>> under(["a/b/1", "ab/2"], "a")
    ['b/1']
    """
    start = f"{prefix}/" if prefix else ""
    return [path[len(start) :] for path in paths if path.startswith(start)]


def by_head(paths: Iterable[str]) -> dict[str, list[str]]:
    """The rests of paths by their first folder; files of no folder are left out.

    >>> by_head(["b/1", "a/b/2", "c"])
    {'b': ['1'], 'a': ['b/2']}
    """
    found: dict[str, list[str]] = {}
    for path in paths:
        head, slash, rest = path.partition("/")
        if slash:
            found.setdefault(head, []).append(rest)
    return found


def _split(paths: Iterable[str]) -> tuple[set[str], dict[str, set[str]]]:
    """The paths, and those of each folder inside; of many folders none."""
    inside = by_head(paths)
    few = inside if len(inside) <= MOST_FOLDERS else {}
    return set(paths), {name: set(rest) for name, rest in few.items()}
