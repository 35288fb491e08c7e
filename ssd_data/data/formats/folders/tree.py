"""Which folders hold pictures, which their annotations, and how the two go together.

What counts is which files there are, not how folders are called: a picture and its annotation have
the same path from the two folders, without ending, or at least the same name.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from ssd_data.core.errors import InputError
from ssd_data.data.formats import annotation_files
from ssd_data.data.formats.pictures import files_below, has_picture_ending, stem_of
from ssd_data.data.formats.splits import role

MOST_FOLDERS = 50  # side by side, of which pairs are looked for
MOST_DEEP = 4
_LOOKED_AT = 20
# How such folders are called, in small letters: decides only where several fit alike.
PICTURE_NAMES = ("images", "jpegimages", "image", "imgs", "img", "pictures", "photos", "jpegs")
LABEL_NAMES = ("labels", "annotations", "annotation", "label", "xml", "xmls", "annos")


@dataclass(frozen=True, slots=True)
class Place:
    """A folder of pictures and one of their annotations; both may be the same.

    Attributes:
        images, labels: below the root; empty for the root itself.
        suffix: the annotations' ending; empty where there are none.
        matched: how many annotations have a picture.
        sure: whether most of those looked at are what their ending says.
        by_name: whether only the names agree, not the folders, as ``train/a`` and ``a`` do.
    """

    images: str
    labels: str
    suffix: str
    matched: int = 0
    sure: bool = False
    by_name: bool = False

    @property
    def rank(self) -> tuple[bool, bool, int]:
        """The higher, the likelier."""
        return self.sure, not self.by_name, self.matched


class Tree:
    """The pictures and annotations of a folder, as paths below it without ending.

    Args:
        folder: the data set's root.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pictures: list[str] = []
        self.annotations: dict[str, list[str]] = {}
        for path in files_below(folder):
            if has_picture_ending(path):
                self.pictures.append(stem_of(path))
            elif (suffix := f".{path.rpartition('.')[2].lower()}") in annotation_files():
                self.annotations.setdefault(suffix, []).append(stem_of(path))

    def places(self, prefix: str = "", deep: int = 0) -> list[Place]:
        """Pictures and annotations below a folder: together, side by side, or in its splits so.

        Raises:
            InputError: annotations may be those of two folders of pictures.
        """
        found = [*self._one_above(prefix), *self._side_by_side(prefix)]
        if found:
            best = max(found, key=lambda place: place.rank)
            if prefix in (best.images, best.labels):
                return [best]
            kind = (best.sure, best.suffix, best.by_name)
            alike = [p for p in found if (p.sure, p.suffix, p.by_name) == kind]
            return self._apart([p for p in alike if prefix not in (p.images, p.labels)])
        splits = [name for name in heads(self.below(prefix)) if role(name)]
        if deep >= MOST_DEEP or len(splits) > MOST_FOLDERS:
            return []
        return [p for s in splits for p in self.places(joined(prefix, s), deep + 1)]

    def named_pair(self) -> list[Place]:
        """``Images`` and ``Labels`` by their names alone, where no picture has an annotation."""
        names = sorted(path.name for path in self.folder.iterdir() if path.is_dir())
        images = [name for name in names if name.lower() in PICTURE_NAMES[:2]]
        labels = [name for name in names if name.lower() in LABEL_NAMES[:2]]
        if len(images) == len(labels) == 1 and self.below(images[0]):
            return [Place(images[0], labels[0], "")]
        return []

    def parts(self, place: Place) -> dict[str, Place]:
        """The folders of a place's pictures, with their annotations, where they are splits.

        Raises:
            InputError: one of them is called as a split is, the others are not.
        """
        prefix, below = place.images, self.below(place.images)
        while len(names := heads(below)) == 1 and all("/" in path for path in below):
            if role(names[0]):
                break
            prefix = joined(prefix, names[0])
            below = self.below(prefix)
        self.require_splits(names, prefix)
        if not any(role(name) for name in names):
            return {}
        return {name: self._part(place, prefix, name) for name in names}

    def require_splits(self, names: list[str], prefix: str = "") -> None:
        """Refuse folders of which only one is called as a split is: it may be a class, too.

        Raises:
            InputError: they are such.
        """
        splits = [name for name in names if role(name)]
        if len(splits) == 1 < len(names):
            others = ", ".join(name for name in names[:4] if name != splits[0])
            raise InputError(
                f'"{splits[0]}" may be a split, or a part like {others}',
                where=self.folder / prefix,
                hint=f"Write train.txt and val.txt into {self.folder}, a picture's name a line",
            )

    def require_own(self, places: list[Place]) -> None:
        """Refuse places of which two would have the same annotations.

        Raises:
            InputError: they are such.
        """
        for one, other in combinations(places, 2):
            if self._shares(one, other):
                raise self._of_either(one, other)

    def below(self, prefix: str) -> list[str]:
        """The pictures below a folder, as paths from it without ending."""
        return _under(self.pictures, prefix)

    def _part(self, place: Place, prefix: str, name: str) -> Place:
        images = joined(prefix, name)
        if place.images == place.labels:
            return Place(images, images, place.suffix, sure=place.sure)
        above = joined(place.labels, prefix[len(place.images) :].strip("/"))
        there = heads(_under(self.annotations.get(place.suffix, []), above))
        alike = [one for one in there if role(one) and role(one) == role(name)]
        same = [one for one in there if one == name] or alike
        if len(same) == 1:
            return Place(images, joined(above, same[0]), place.suffix, sure=place.sure)
        return Place(images, place.labels, place.suffix, sure=place.sure, by_name=True)

    def _one_above(self, prefix: str) -> Iterator[Place]:
        """Both in one folder, or one of them in a folder inside the other's."""
        pictures, inside = self._split(self.pictures, prefix)
        for suffix, files in self.annotations.items():
            there, of_labels = self._split(files, prefix)
            yield from self._pair(prefix, prefix, suffix, pictures, there)
            for one, paths in of_labels.items():
                yield from self._pair(prefix, joined(prefix, one), suffix, pictures, paths)
            for name, known in inside.items():
                yield from self._pair(joined(prefix, name), prefix, suffix, known, there)

    def _side_by_side(self, prefix: str) -> Iterator[Place]:
        """For each folder of pictures the folder whose annotations fit best."""
        _, inside = self._split(self.pictures, prefix)
        for suffix, files in self.annotations.items():
            _, of_labels = self._split(files, prefix)
            for name, pictures in inside.items():
                fitting: list[Place] = []
                for one, paths in of_labels.items():
                    if one != name and not (role(one) and role(name) and role(one) != role(name)):
                        places = joined(prefix, name), joined(prefix, one)
                        # A folder of both is a data set of its own.
                        pure = name not in of_labels and one not in inside
                        fitting += self._pair(*places, suffix, pictures, paths, by_name=pure)
                if fitting:
                    yield max(fitting, key=lambda p: (p.rank, is_called(p.labels, LABEL_NAMES)))

    def _split(self, paths: list[str], prefix: str) -> tuple[set[str], dict[str, set[str]]]:
        """The paths below a folder, and those of each folder inside; of many folders none."""
        below = _under(paths, prefix)
        inside = _by_head(below)
        few = inside if len(inside) <= MOST_FOLDERS else {}
        return set(below), {name: set(rest) for name, rest in few.items()}

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
            names = {path.rpartition("/")[2] for path in pictures}
            matched = {path for path in annotations if path.rpartition("/")[2] in names}
        if matched:
            looked = heapq.nsmallest(_LOOKED_AT, matched)
            right = sum(self._is(joined(labels, path), suffix) for path in looked)
            sure = 2 * right > len(looked)
            yield Place(images, labels, suffix, len(matched), sure, by_name)

    def _is(self, stem: str, suffix: str) -> bool:
        """Whether an annotation is what its ending says."""
        paths = (self.folder / f"{stem}{ending}" for ending in (suffix, suffix.upper()))
        return any(map(annotation_files()[suffix].claims, paths))

    def _apart(self, places: list[Place]) -> list[Place]:
        """Places without those whose annotations are another's; masks have pictures' names, too."""
        taken: list[Place] = []
        for place in sorted(places, key=lambda p: not is_called(p.images, PICTURE_NAMES)):
            rivals = [one for one in taken if self._shares(one, place)]
            if not rivals:
                taken.append(place)
            elif not is_called(rivals[0].images, PICTURE_NAMES) or is_called(
                place.images, PICTURE_NAMES
            ):
                raise self._of_either(rivals[0], place)
        return sorted(taken, key=lambda place: place.images)

    def _of_either(self, one: Place, other: Place) -> InputError:
        return InputError(
            f"the annotations of {one.labels} may be of {one.images} or of {other.images}",
            where=self.folder,
            hint='Move one away, or say it in a recipe: format = "folders", and in sources '
            f'{{ images = "{one.images}", labels = "{one.labels}" }}',
        )

    def _shares(self, one: Place, other: Place) -> bool:
        """Whether an annotation would belong to both."""
        if one.labels != other.labels:
            return False
        names = {path.rpartition("/")[2] for path in self.below(one.images)}
        return any(path.rpartition("/")[2] in names for path in self.below(other.images))


def is_called(folder: str, names: Iterable[str]) -> bool:
    """Whether a folder has one of these names, whatever its case."""
    return folder.rpartition("/")[2].lower() in names


def heads(paths: Iterable[str]) -> list[str]:
    """The first folders of paths, sorted.

    >>> heads(["b/1", "a/b/2", "c"])
    ['a', 'b']
    """
    return sorted(_by_head(paths))


def joined(prefix: str, name: str) -> str:
    """A path from two, of which either may be empty."""
    return f"{prefix}/{name}" if prefix and name else prefix or name


def _by_head(paths: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in paths:
        head, slash, rest = path.partition("/")
        if slash:
            found.setdefault(head, []).append(rest)
    return found


def _under(paths: Iterable[str], prefix: str) -> list[str]:
    start = f"{prefix}/" if prefix else ""
    return [path[len(start) :] for path in paths if path.startswith(start)]
