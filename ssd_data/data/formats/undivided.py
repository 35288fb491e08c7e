"""Pictures that no split is stated for: lists beside them decide, else each split draws a share.

A source of such a format is a :class:`PartSource`; where the data set itself says which pictures
are whose, it takes them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from ssd_data.core.errors import InputError
from ssd_data.core.notes import Tally
from ssd_data.data.formats.namelists import Finder, read_listed
from ssd_data.data.formats.parts import holds_picture
from ssd_data.data.formats.pictures import Pictures
from ssd_data.data.formats.shares import TOO_FEW, SharedSource, share, shared_out
from ssd_data.data.formats.splitlists import SplitLists, places_in, read_lists
from ssd_data.data.formats.tree import Tree

UNASSIGNED = "unassigned"  # pictures of no split, where others are of one
DRAWN = (
    "no split is stated: 80 % of the pictures are trainval, 20 % test, drawn by seed 0 (list the "
    "pictures, a name a line, in train.txt and test.txt at the root to choose them)"
)
STRETCHES = (
    "no split is stated: the first 80 % of the frames are trainval, the last 20 % test, since "
    "neighbouring frames are alike (list the frames, a name a line, in train.txt and test.txt at "
    "the root to choose them)"
)


class PartSource(SharedSource, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which of its pictures a source takes.

    >>> half = PartSource(first=0.5)
    >>> half.chosen(["a.jpg", "b.jpg", "c.jpg", "d.jpg"], Path(), in_order=True)
    [2, 3]

    Attributes:
        only: a list below the root, a picture's name or path a line, its ending left out or not;
            only those are taken.
    """

    only: str = ""

    def chosen(self, images: Sequence[str], root: Path, *, in_order: bool) -> list[int]:
        """The indices of the pictures that it takes, in their order.

        Args:
            images: paths below the root.
            root: where the list lies.
            in_order: shares are stretches of the order given, not drawn.

        Raises:
            InputError: a line of the list is no picture, or may be several; a share is none.
        """
        names = list(dict.fromkeys(images))  # one that stands twice is drawn once
        if self.only:
            listed = _listed(names, root, self.only)
            names = [name for name in names if name in listed]
        if in_order:
            taken = set(share(names, self.first, self.last, None))
        else:
            taken = set(self.share_of(sorted(names)))
        return [index for index, name in enumerate(images) if name in taken]


S = TypeVar("S", bound=PartSource)


def split_up(
    tree: Tree, sources: Sequence[S], *, in_order: bool = False
) -> tuple[dict[str, list[S]], list[str]]:
    """The splits of sources that nothing assigns to one, and what is to be said of that.

    Args:
        in_order: the pictures are a video's frames.
    """
    lists = split_lists(tree) if len(sources) == 1 else None
    if lists is not None:
        named = {
            split: [msgspec.structs.replace(sources[0], only=lists.path(split))]
            for split in lists.splits
        }
        return named, [f"the splits are the lists {lists.shown()}", *lists.said]
    if holds_picture(tree) and not holds_picture(tree, count=2):
        return {"trainval": list(sources)}, [TOO_FEW]
    return shared_out(sources), [STRETCHES if in_order else DRAWN]


def split_lists(tree: Tree) -> SplitLists | None:
    """The lists of pictures that are splits; None where none is for training.

    >>> split_lists(Tree(Path("sample/voc"))).place
    'ImageSets/Main'

    Raises:
        InputError: they contradict each other.
    """
    finder = Finder.of(tree, "", lambda stem: "")
    found = (read_lists(tree, place, finder) for place in places_in(tree).values())
    return next((one for one in found if one.trains), None)


def _listed(images: Sequence[str], root: Path, name: str) -> set[str]:
    """The pictures that a list names.

    Raises:
        InputError: a line is none of these, or may be several.
    """
    finder = Finder(Pictures(root, images), (f"{root.resolve()}/",), lambda stem: "")
    chosen: set[str] = set()
    for listed in read_listed(root, name, finder, Tally()):
        if listed.picture is None:
            text = f'"{listed.text}" is no picture here, or nothing is said of it'
            hint = finder.pictures.spelling_hint(listed.text)
            raise InputError(text, where=listed.where, hint=hint)
        chosen.add(listed.picture.path)
    return chosen
