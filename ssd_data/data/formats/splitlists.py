"""Which lists of a folder are splits, and which pictures each has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ssd_data.core.errors import InputError
from ssd_data.core.notes import Tally
from ssd_data.data.formats.namelists import (
    ENDING,
    Finder,
    Listed,
    lists_in,
    read_listed,
    seems_flagged,
)
from ssd_data.data.formats.splits import (
    TRAINING,
    exclude,
    is_plain_role,
    refuse_shared,
    require_apart,
    role,
)
from ssd_data.data.formats.tree import Tree

MAIN = "ImageSets/Main"
MOST_MISSING = 10_000  # after which a list's other lines are not looked at
# Where lists lie, in small letters; those of the first that has a training split are taken.
PLACES = (MAIN.lower(), "imagesets", "main", "splits", "split", "lists", "list", "sets", "")


@dataclass(frozen=True, slots=True)
class SplitLists:
    """The lists of one folder that are splits.

    Attributes:
        place: the folder below the root; empty for the root itself.
        splits: per split its list's name without ending; with ``*`` it unites several.
        members: per split its pictures that are there, and the place that names each.
        said: what was left out of them, a sentence each.
    """

    place: str
    splits: Mapping[str, str]
    members: Mapping[str, Mapping[str, str]]
    said: Sequence[str] = field(default=())

    @property
    def trains(self) -> bool:
        """Whether one is a training split."""
        return any(role(split) in TRAINING for split in self.splits)

    def path(self, split: str) -> str:
        """A split's list below the root."""
        return list_path(self.place, self.splits[split])

    def shown(self) -> str:
        """The lists' files, for a sentence."""
        names = ", ".join(f"{name}{ENDING}" for name in self.splits.values())
        return f"{names} in {self.place}" if self.place else names


def list_path(place: str, name: str) -> str:
    """A list's path below the root."""
    return f"{place}/{name}{ENDING}" if place else f"{name}{ENDING}"


def places_in(tree: Tree) -> dict[str, str]:
    """The folders of :data:`PLACES` that are there, in its order, each as it is spelt."""
    spelt = {"": ""}
    for top in tree.folders():
        spelt.setdefault(top.lower(), top)
        if top.lower() == "imagesets":
            spelt |= {f"{top}/{one}".lower(): f"{top}/{one}" for one in tree.folders(top)}
    return {place: spelt[place] for place in PLACES if place in spelt}


def by_split(lists: Iterable[tuple[str, bool]]) -> dict[str, str]:
    """The split of each list, and the list's name without ending, or with ``*`` that of several.

    Lists of classes (``cat_train``, flagged) are a split where no other list is of its kind.

    >>> by_split([("cat_train", True), ("train", False), ("val", False), ("train_v2", False)])
    {'train': 'train', 'val': 'val', 'train_v2': 'train_v2'}
    >>> by_split([("cat_train", True), ("dog_train", True), ("dog_val", True)])
    {'train': '*_train', 'val': '*_val'}

    Args:
        lists: name without ending, and whether its lines have flags.
    """
    found: dict[str, str] = {}
    of_classes: dict[str, str] = {}
    for stem, flagged in lists:
        kind = stem.rpartition("_")[2] if "_" in stem else ""
        if flagged and role(kind):
            of_classes.setdefault(kind.lower(), kind)
        elif not flagged or role(stem):
            found[stem] = stem
    plain = {role(stem) for stem in found}
    for kind in of_classes.values():
        if role(kind) not in plain:
            found[kind] = f"*_{kind}"
    return found


def read_lists(tree: Tree, place: str, finder: Finder) -> SplitLists:
    """The lists of ``ImageSets/Main``, all of which are splits, or of another folder.

    Of another folder only those count whose name says a split and that name a picture.

    Raises:
        InputError: a list is broken, names no picture at all though it is called as a split is, or
            a picture is in two splits that exclude each other.
    """
    strict = place.lower() == MAIN.lower()
    stems = [name[: -len(ENDING)] for name in lists_in(tree, place)]
    if not strict:
        stems = [s for s in stems if s not in finder.pictures.by_stem and role(s)]
    found = by_split((s, seems_flagged(tree.path(list_path(place, s)))) for s in stems)
    splits, members, said = {}, {}, []
    for split, name in found.items():
        try:
            pictures, missing = _members(tree.root, list_path(place, name), finder)
        except InputError:
            if strict or is_plain_role(split):
                raise
            continue
        sure = is_plain_role(split) or (strict and role(split))
        if pictures or (strict and sure):  # that pictures are missing is said when they are read
            splits[split], members[split] = name, pictures
        elif not missing:
            said.append(f"{list_path(place, name)} is empty: it is not taken for a split")
        elif sure:
            raise _names_nothing(missing[0], len(missing), finder)
        elif strict:
            said.append(f"{list_path(place, name)} names no picture: it is not taken for a split")
    require_apart(members)
    _require_folders(members)
    return SplitLists(place, splits, members, said)


def _members(root: Path, path: str, finder: Finder) -> tuple[dict[str, str], list[Listed]]:
    """The pictures of a split's list, each with its place, and the lines without before them."""
    pictures: dict[str, str] = {}
    missing: list[Listed] = []
    for listed in read_listed(root, path, finder, Tally()):
        if listed.picture is not None:
            pictures[listed.picture.path] = listed.where
        elif not pictures:
            missing.append(listed)
            if len(missing) == MOST_MISSING:
                break
    return pictures, missing


def _names_nothing(first: Listed, count: int, finder: Finder) -> InputError:
    return InputError(
        f'"{first.text}" is no picture here' + ", nor is any other of this list" * (count > 1),
        where=first.where,
        hint=finder.pictures.spelling_hint(first.text)
        or "A list has a picture's name a line; move it away if it is no list of a split",
    )


def _require_folders(members: Mapping[str, Mapping[str, str]]) -> None:
    """Refuse a training list that names pictures of a folder called ``val``, and the like."""
    for split, pictures in members.items():
        names = {name for picture in pictures for name in picture.split("/")[:-1]}
        wrong = {name for name in names if is_plain_role(name) and exclude(split, name)}
        for picture, where in pictures.items() if wrong else ():
            for folder in wrong.intersection(picture.split("/")[:-1]):
                one = {picture: where}
                refuse_shared(f'the folder "{folder}"', {picture: ""}, f'the split "{split}"', one)


def require_agreement(taken: SplitLists, other: SplitLists) -> bool:
    """Whether lists elsewhere say the same of their splits as those that are taken.

    Raises:
        InputError: they test with what these train on, or the other way round.
    """
    for split, pictures in taken.members.items():
        for name, others in other.members.items():
            if exclude(split, name):
                refuse_shared(taken.path(split), pictures, other.path(name), others)
    known = [pictures.keys() for pictures in taken.members.values()]
    return all(pictures.keys() in known for pictures in other.members.values())
