"""Which of the folders that may go together are meant, and which of them are splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import combinations

from ssd_data.core.errors import InputError
from ssd_data.data.formats.folders.counterparts import (
    MOST_FOLDERS,
    Counterparts,
    Place,
    by_head,
    name_of,
    under,
)
from ssd_data.data.formats.splits import role
from ssd_data.data.formats.tree import joined

MOST_DEEP = 4
XML = ".xml"  # says most, and so goes before others that fit as well
# How such folders are called, in small letters: decides only where several fit alike.
PICTURE_NAMES = ("images", "jpegimages", "image", "imgs", "img", "pictures", "photos", "jpegs")
LABEL_NAMES = ("labels", "annotations", "annotation", "label", "xml", "xmls", "annos")


class PlaceChoice:
    """Chooses; what else would fit is said.

    Attributes:
        said: a sentence each.
    """

    def __init__(self, files: Counterparts) -> None:
        self.files, self.tree = files, files.tree
        self.said: list[str] = []

    def places(self, prefix: str = "", deep: int = 0) -> list[Place]:
        """Pictures and annotations below a folder: together, side by side, or in its splits so.

        Raises:
            InputError: annotations may be those of two folders of pictures, or the other way round.
        """
        found = list(self.files.pairs(prefix))
        if not found:
            splits = [name for name in by_head(self.files.below(prefix)) if role(name)]
            if deep >= MOST_DEEP or len(splits) > MOST_FOLDERS:
                return []
            return [p for s in splits for p in self.places(joined(prefix, s), deep + 1)]
        kinds = Counter((place.images, place.labels) for place in found)
        found = [replace(p, alone=kinds[p.images, p.labels] == 1) for p in found]
        found = [place for place in found if place.sure or _is_named(place)]
        found = [place for place in found if place.sure] or found
        if not found:
            return []
        best = max(found, key=lambda place: place.rank)
        if prefix in (best.images, best.labels):
            return [self._of_kind([p for p in found if p.images == best.images], best)]
        alike = [p for p in found if prefix not in (p.images, p.labels)]
        of_images: dict[str, list[Place]] = {}
        for place in alike:
            of_images.setdefault(place.images, []).append(place)
        return self._apart([self._of_kind(places) for places in of_images.values()])

    def named_pair(self) -> list[Place]:
        """``Images`` and ``Labels`` by their names alone, where no picture has an annotation."""
        names = self.tree.folders()
        images = [name for name in names if is_called(name, PICTURE_NAMES[:2])]
        labels = [name for name in names if is_called(name, LABEL_NAMES[:2])]
        if len(images) == len(labels) == 1 and self.files.below(images[0]):
            return [Place(images[0], labels[0], "")]
        return []

    def _of_kind(self, places: list[Place], best: Place | None = None) -> Place:
        """Of places with the same pictures the likeliest.

        Raises:
            InputError: two are as likely.
        """
        best = best or max(places, key=_likelihood)
        rivals = [
            place
            for place in places
            if place.by_name == best.by_name and 2 * place.matched >= best.matched
        ]
        chosen = max(rivals, key=_likelihood)
        for place in rivals:
            if place is chosen or (place.labels, place.suffix) == (chosen.labels, chosen.suffix):
                continue
            if _likelihood(place)[:3] == _likelihood(chosen)[:3] and place.sure:
                raise InputError(
                    f"the annotations of {chosen.images or 'the pictures'} may be those of "
                    f"{chosen.labels} or of {place.labels}",
                    where=self.tree.root,
                    hint=_recipe(chosen),
                )
            if place.sure:
                self.said.append(
                    f"{place.labels or 'beside the pictures'}: its {place.suffix} files are not "
                    f"used, since {chosen.labels or 'the folder'} has {chosen.suffix} files of the "
                    "same pictures"
                )
        return chosen

    def _apart(self, places: list[Place]) -> list[Place]:
        """Places without those whose annotations are another's; masks have pictures' names, too.

        Raises:
            InputError: nothing says which is meant.
        """
        taken: list[Place] = []
        called = {place: is_called(place.images, PICTURE_NAMES) for place in places}
        for place in sorted(places, key=lambda p: (not called[p], p.images)):
            rivals = [one for one in taken if self._shares(one, place)]
            if not rivals:
                taken.append(place)
            elif called[rivals[0]] == called[place]:
                raise self._of_either(rivals[0], place)
        return sorted(taken, key=lambda place: place.images)

    def _of_either(self, one: Place, other: Place) -> InputError:
        return InputError(
            f"the annotations of {one.labels} may be of {one.images} or of {other.images}",
            where=self.tree.root,
            hint=_recipe(one),
        )

    def _shares(self, one: Place, other: Place) -> bool:
        """Whether an annotation would belong to both."""
        if one.labels != other.labels:
            return False
        names = set(map(name_of, self.files.below(one.images)))
        return any(name_of(path) in names for path in self.files.below(other.images))

    def parts(self, place: Place) -> dict[str, Place]:
        """The folders of a place's pictures, with their annotations, where they are splits.

        Raises:
            InputError: one of them is called as a split is, the others are not.
        """
        prefix, below = place.images, self.files.below(place.images)
        while len(names := sorted(by_head(below))) == 1 and all("/" in path for path in below):
            if role(names[0]):
                break
            prefix = joined(prefix, names[0])
            below = self.files.below(prefix)
        self.require_splits(names, prefix)
        if not any(role(name) for name in names):
            return {}
        return {name: self._part(place, prefix, name) for name in names}

    def _part(self, place: Place, prefix: str, name: str) -> Place:
        images = joined(prefix, name)
        if place.images == place.labels:
            return replace(place, images=images, labels=images)
        above = joined(place.labels, prefix[len(place.images) :].strip("/"))
        there = by_head(under(self.files.annotations.get(place.suffix, {}), above))
        alike = [one for one in there if role(one) and role(one) == role(name)]
        same = [one for one in there if one == name] or alike
        if len(same) == 1 or any(role(one) for one in there):
            labels = joined(above, same[0] if len(same) == 1 else name)
            return replace(place, images=images, labels=labels)
        return replace(place, images=images, by_name=True)

    def require_splits(self, names: Sequence[str], prefix: str = "") -> None:
        """Refuse folders of which only one is called as a split is: it may be a class, too.

        Raises:
            InputError: they are such.
        """
        splits = [name for name in names if role(name)]
        if len(splits) == 1 < len(names):
            others = ", ".join(name for name in names[:4] if name != splits[0])
            raise InputError(
                f'"{splits[0]}" may be a split, or a part like {others}',
                where=self.tree.root / prefix,
                hint=f"Write train.txt and val.txt into {self.tree.root}, a picture's name a line",
            )

    def require_own(self, places: Sequence[Place]) -> None:
        """Refuse places of which two would have the same annotations.

        Raises:
            InputError: they are such.
        """
        for one, other in combinations(places, 2):
            if self._shares(one, other):
                raise self._of_either(one, other)


def is_called(folder: str, names: Iterable[str]) -> bool:
    """Whether a folder has one of these names, whatever its case."""
    return name_of(folder).lower() in names


def _is_named(place: Place) -> bool:
    """Whether two folders are called as those of pictures and annotations are."""
    return is_called(place.images, PICTURE_NAMES) and is_called(place.labels, LABEL_NAMES)


def _likelihood(place: Place) -> tuple[bool, bool, bool, bool, int]:
    """What decides between places with the same pictures; the fourth decides last, and is said."""
    return (
        not place.by_name,
        place.suffix == XML,
        is_called(place.labels, LABEL_NAMES),
        place.sure,
        place.matched,
    )


def _recipe(place: Place) -> str:
    return (
        'Move one away, or say it in a recipe: format = "folders", and in sources '
        f'{{ images = "{place.images or "."}", labels = "{place.labels or "."}" }}'
    )
