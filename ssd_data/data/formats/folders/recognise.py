"""Which folders of pictures and annotations a folder has, and what says their splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from ssd_data.core.errors import InputError
from ssd_data.core.files.there import is_folder
from ssd_data.data.formats import Confidence, Recognised
from ssd_data.data.formats.folders.counterparts import Counterparts, Place, name_of, under
from ssd_data.data.formats.folders.places import PlaceChoice
from ssd_data.data.formats.folders.schema import FolderSource
from ssd_data.data.formats.namelists import Finder
from ssd_data.data.formats.pictures import stem_of
from ssd_data.data.formats.shares import RATIO, TOO_FEW, shared_out
from ssd_data.data.formats.splitlists import (
    MAIN,
    SplitLists,
    places_in,
    read_lists,
    require_agreement,
)
from ssd_data.data.formats.splits import remarks, role, split_in
from ssd_data.data.formats.tree import Tree

LAYOUT = """\
<images>/<name>.jpg  <labels>/<name>.xml    VOC XML, or .txt: label xmin ymin xmax ymax in pixels;
                                            both may be one folder
<images>/train/  <images>/val/              or train/ and val/ above them, or lists of names,
                                            train.txt and val.txt; else 80 and 20 % at random"""
Splits = dict[str, list[FolderSource]]


def recognise(tree: Tree) -> Recognised[FolderSource] | None:
    """Folders of pictures with an annotation file each; lists or folders are the splits.

    Raises:
        InputError: it is such a set surely, but its splits contradict one another.
    """
    choice = PlaceChoice(Counterparts(tree))
    sure = True  # so is what is refused at once
    try:
        places = choice.places() or choice.named_pair()
        sure = any(place.sure for place in places)
        found = _Arrangement(choice, places)
        splits = found.splits() if places else {}
    except InputError:
        # What is wrong with a VOC tree says its own format.
        if sure and not (is_folder(tree.path(MAIN)) and "Annotations" in tree.folders()):
            raise
        return None
    if not splits:
        return None
    confidence = Confidence.CONTENT if sure and not found.is_voc else Confidence.NAMES
    said = [*found.said, *remarks(splits, str(tree.root))]
    return Recognised(dict(sorted(splits.items())), found.why, confidence, said)


class _Arrangement:
    """How the pictures of some places are parted into splits.

    Attributes:
        why: by what that was recognised.
        said: what a user should know, a sentence each.
        is_voc: whether it goes by lists in ``ImageSets/Main``.
    """

    def __init__(self, choice: PlaceChoice, places: list[Place]) -> None:
        self.choice, self.files, self.places = choice, choice.files, places
        self.tree = choice.tree
        self.why = _why(places)
        self.said = choice.said
        self.is_voc = False

    def splits(self) -> Splits:
        """By lists, else by folders, else at random.

        Raises:
            InputError: a picture would be trained on and tested with, or have another's annotation.
        """
        whole = self._whole()
        lists = list(self._lists(whole.images if whole else ""))
        taken = next((one for one in lists if one.trains), None) if whole else None
        parts = {} if taken else self._parts()
        if whole and lists and not taken and not parts:
            taken = lists[0]
        self._judge(lists, taken)
        self._say_left(parts, taken)
        if whole and taken:
            return self._by_lists(whole, taken)
        return self._by_folders(parts) if parts else self._at_random()

    def _whole(self) -> Place | None:
        """All pictures as one place, as lists name them; None where annotations are in several."""
        first = self.places[0]
        if len(self.places) == 1:
            return first
        if len({place.labels for place in self.places}) == 1:
            return Place("", first.labels, first.suffix, sure=first.sure)
        return None

    def _lists(self, images: str) -> Iterator[SplitLists]:
        """The lists of splits, in the order in which they count."""
        finder = Finder.of(self.tree, images, lambda stem: "")
        for place in places_in(self.tree).values():
            if (found := read_lists(self.tree, place, finder)).splits:
                yield found

    def _judge(self, lists: list[SplitLists], taken: SplitLists | None) -> None:
        """Refuse lists that contradict those that are taken; say which are not used."""
        for one in lists:
            same = one is taken or (taken is not None and require_agreement(taken, one))
            if not same:
                instead = f"{taken.shown()} say" if taken else "the folders' names say"
                self.said.append(f"{one.shown()}: not used, since {instead} the splits")

    def _parts(self) -> dict[str, list[Place]]:
        """The places of each folder that is a split; none where no folder is."""
        parts: dict[str, list[Place]] = {}
        if len(self.places) == 1 and not split_in(self.places[0].images):
            (place,) = self.places
            parts = {name: [part] for name, part in self.choice.parts(place).items()}
        else:
            for place in self.places:
                name = split_in(place.images) or place.images.partition("/")[0]
                parts.setdefault(name, []).append(place)
            self.choice.require_splits(list(parts))
        self.choice.require_own([place for places in parts.values() for place in places])
        if others := [name for name in parts if not role(name)]:
            if len(others) == len(parts):
                return {}
            self.said.append(
                f"{', '.join(others)}: neither for training nor for testing, by the name, so a "
                "split of its own, built with --split"
            )
        return parts

    def _say_left(self, parts: Mapping[str, list[Place]], taken: SplitLists | None) -> None:
        """Say which pictures are in no split."""
        places = [place for of_split in parts.values() for place in of_split] or self.places
        inside = tuple(f"{place.images}/" if place.images else "" for place in places)
        pictures = self.files.pictures
        left = [path for path in pictures if not path.startswith(inside)]
        where = "lie in none of these folders"
        if taken is not None:
            named = {stem_of(path) for pictures in taken.members.values() for path in pictures}
            start = inside[0] if len(self.places) == 1 else ""
            left = [path for path in pictures if path.removeprefix(start) not in named]
            where = "are in none of these lists"
        if left:
            count = f"{len(left)} of {len(pictures)} pictures"
            self.said.append(f"{count} {where} and are left out (the first is {left[0]})")

    def _by_lists(self, whole: Place, taken: SplitLists) -> Splits:
        self.is_voc = taken.place.lower() == MAIN.lower()
        self.why += f"; {taken.shown()} say the splits"
        self.said += taken.said
        return {split: [_source(whole, list=taken.path(split))] for split in taken.splits}

    def _by_folders(self, parts: Mapping[str, list[Place]]) -> Splits:
        self.why += f"; its folders {', '.join(parts)} are the splits"
        places = [place for of_split in parts.values() for place in of_split]
        shared = self._is_shared(places)
        return {
            name: [_source(place, shared=place.labels in shared) for place in of_split]
            for name, of_split in parts.items()
        }

    def _at_random(self) -> Splits:
        shared = self._is_shared(self.places)
        sources = [_source(place, shared=place.labels in shared) for place in self.places]
        if all(len(self.files.below(place.images)) < 2 for place in self.places):
            self.said.append(TOO_FEW)
            return {"trainval": sources}
        self.said.append(
            f"nothing says which pictures are for testing: {1 - RATIO:.0%} of them are drawn at "
            "random, by their names. To choose them, write train.txt and val.txt into "
            f"{self.tree.root}, a picture's name a line"
        )
        return shared_out(sources)

    def _is_shared(self, places: Sequence[Place]) -> set[str]:
        """The folders whose annotations several places share; what none of these has is said."""
        count = Counter(place.labels for place in places)
        shared = {labels for labels in count if count[labels] > 1}
        for labels in sorted(shared):
            of_labels = [place for place in places if place.labels == labels]
            names = {name_of(p) for place in of_labels for p in self.files.below(place.images)}
            there = under(self.files.annotations.get(of_labels[0].suffix, {}), labels)
            if left := [path for path in there if name_of(path) not in names]:
                self.said.append(
                    f"{len(left)} of {len(there)} annotations of {labels or 'the folder'} have no "
                    f"picture (the first is {left[0]}{of_labels[0].suffix})"
                )
        return shared


def _source(place: Place, list: str = "", shared: bool = False) -> FolderSource:
    files = "" if place.alone else place.suffix
    return FolderSource(place.images, place.labels, list=list, files=files, shared=shared)


def _why(places: list[Place]) -> str:
    if not places:
        return ""
    first = places[0]
    folders = ", ".join(place.images for place in places if place.images)
    if first.images == first.labels:
        where = f" in {folders}" if folders else ""
        return f"pictures and {first.suffix} files lie together{where}"
    if len(places) > 1:
        return f"{folders} have pictures with {first.suffix} files"
    if first.images and first.labels:
        how = ", whose files go together by their names" if first.by_name else ""
        return f"it has {first.images} and {first.labels}{how}"
    return f"it has pictures{' in ' * bool(folders)}{folders} and {first.suffix} files" + (
        f" in {first.labels}" if first.labels else ""
    )
