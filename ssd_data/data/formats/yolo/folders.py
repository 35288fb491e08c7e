"""Data sets that no file describes: pictures and txt in folders, known by their names.

``images/<split>`` and ``labels/<split>``, ``<split>/images`` and ``<split>/labels``, one pair of
folders, pictures and txt in one folder. Names are known in any spelling, splits by what they mean.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ssd_data.data.formats.parts import holds_picture
from ssd_data.data.formats.pictures import has_picture_ending, stem_of
from ssd_data.data.formats.shares import RATIO, TOO_FEW, shared_out
from ssd_data.data.formats.splits import role
from ssd_data.data.formats.tree import Tree
from ssd_data.data.formats.yolo.names import files_of_names
from ssd_data.data.formats.yolo.pairs import LIST, numbered_lines
from ssd_data.data.formats.yolo.places import (
    LabelFolders,
    label_folders,
    picture_folders,
)
from ssd_data.data.formats.yolo.schema import YoloSource

_BY_CHANCE = (
    f"nothing says which pictures are for training: {RATIO:.0%}, drawn by chance, are trainval, "
    "the others test; to say it yourself, list the pictures of each in train.txt and val.txt here, "
    "a path a line"
)


@dataclass(slots=True)
class Arranged:
    """Folders that may be a data set.

    Attributes:
        why: by what names.
        splits: the folders of pictures and of txt of each split (the latter empty where the rule
            finds them); none where there is but one pair.
        whole: that pair.
        said: what is left out, a sentence each.
    """

    why: str
    splits: dict[str, tuple[str, str]] = field(default_factory=dict)
    whole: tuple[str, str] | None = None
    said: list[str] = field(default_factory=list)

    @property
    def pairs(self) -> Sequence[tuple[str, str]]:
        """All folders of pictures and of txt."""
        return [self.whole] if self.whole else list(self.splits.values())

    @property
    def label_folders(self) -> list[str]:
        """Where the txt lie."""
        return [labels or ("" if images == "." else images) for images, labels in self.pairs]

    def sources(self, tree: Tree, names: str) -> dict[str, list[YoloSource]]:
        """The sources of each split, also of one pair that lists divide or nothing does."""
        if self.whole is None:
            return {
                split: [YoloSource(images=images, labels=labels, names=names)]
                for split, (images, labels) in self.splits.items()
            }
        images, labels = self.whole
        if lists := split_lists(tree):
            self.why += f", and lists ({', '.join(lists)})"
            return {file[: -len(LIST)]: [YoloSource(images=file, names=names)] for file in lists}
        whole = YoloSource(images=images, labels=labels, names=names)
        if not holds_picture(tree, images, count=2):
            self.said.append(TOO_FEW)
            return {"trainval": [whole]}
        self.said.append(_BY_CHANCE)
        return shared_out([whole])


def arrangement(tree: Tree) -> Arranged | None:
    """How pictures and txt lie in a folder, by the names alone; None where there are no such."""
    ways: tuple[Callable[[Tree], Arranged | None], ...] = (
        _side_by_side,
        _split_folders,
        _one_folder,
    )
    return next((found for way in ways if (found := way(tree))), None)


def _side_by_side(tree: Tree) -> Arranged | None:
    """``images/`` and ``labels/``, with or without splits in them."""
    pairs = [(p, t) for p in picture_folders(tree) for t in label_folders(tree)]
    if not pairs:
        return None
    images, labels = pairs[0]
    inner = tree.folders(images)
    named = [name for name in inner if _is_split(name)]
    if not named:
        return Arranged(f"it has {images} and {labels}", whole=(images, labels))
    there = {name.lower(): name for name in tree.folders(labels)}
    found = Arranged(f"it has {images}/<split> and {labels}/<split>")
    for name in inner:
        pair = f"{images}/{name}", f"{labels}/{there.get(name.lower(), name)}"
        if name in named or holds_picture(tree, pair[0], below=False):
            found.splits[name] = pair
    if holds_picture(tree, images, below=False):
        found.said.append(f"pictures that lie in {images} itself belong to no split: left out")
    return found


def _split_folders(tree: Tree) -> Arranged | None:
    """``train/images`` and ``train/labels``, or ``train/`` with both."""
    found = Arranged("it has folders of splits with pictures and txt")
    for name in tree.folders():
        if not _is_split(name):
            continue
        pairs = [(p, t) for p in picture_folders(tree, name) for t in label_folders(tree, name)]
        if pairs:
            images, labels = pairs[0]
            found.splits[name] = f"{name}/{images}", f"{name}/{labels}"
        elif holds_picture(tree, name, below=False):
            found.splits[name] = name, ""
    return found if found.splits else None


def _one_folder(tree: Tree) -> Arranged | None:
    """Pictures and txt together; in folders of their own where the names are listed above them."""
    if _has_both(tree, ""):
        return Arranged("it has pictures with a txt each", whole=(".", ""))
    inner = [name for name in tree.folders() if _has_both(tree, name)]
    if not inner or not files_of_names(tree, [""]):
        return None
    found = Arranged("it has folders of pictures with a txt each", whole=(".", ""))
    if len(inner) == 1:
        found.whole = inner[0], ""
    return found


def _has_both(tree: Tree, folder: str) -> bool:
    stems = {stem_of(name) for name in tree.names(folder) if has_picture_ending(name)}
    return bool(stems) and not stems.isdisjoint(LabelFolders(tree).texts(folder))


def split_lists(tree: Tree) -> list[str]:
    """The lists of pictures of a folder that are called as splits, sorted."""
    names = [name for name in tree.names() if name.endswith(LIST) and _is_split(name[: -len(LIST)])]
    return [name for name in names if _lists_pictures(tree.root, name)]


def _is_split(name: str) -> bool:
    return role(name) is not None and name.isprintable()


def _lists_pictures(root: Path, name: str) -> bool:
    first = next(numbered_lines(root, name), None)
    return first is not None and (has_picture_ending(first[1]) or " " not in first[1])
