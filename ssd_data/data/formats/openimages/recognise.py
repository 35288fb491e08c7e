"""Which folders are Open Images', and what their splits are."""

from __future__ import annotations

import posixpath
from itertools import islice

from ssd_data.data.formats import Confidence, Recognised
from ssd_data.data.formats.indexsplits import by_file, of_one, split_words
from ssd_data.data.formats.openimages.schema import CSV, OpenImagesSource, is_boxes, is_names
from ssd_data.data.formats.parts import files_of, picture_folder
from ssd_data.data.formats.splits import split_in
from ssd_data.data.formats.tree import Tree

MOST_FILES = 256


def recognise(tree: Tree) -> Recognised[OpenImagesSource] | None:
    """The splits by the names of the CSV files, else by the folders of their pictures.

    Raises:
        InputError: two CSV files are of one split, or several of none.
    """
    named = list(islice(files_of(tree, CSV), MOST_FILES))
    boxes = [name for name in named if is_boxes(tree.path(name))]
    return _recognised(tree, boxes, named) if boxes else None


def indexed(tree: Tree, name: str) -> Recognised[OpenImagesSource] | None:
    """The splits of one CSV of boxes."""
    if not is_boxes(tree.path(name)):
        return None
    return _recognised(tree, [name], list(islice(files_of(tree, CSV), MOST_FILES)))


def _recognised(tree: Tree, boxes: list[str], named: list[str]) -> Recognised[OpenImagesSource]:
    names = [name for name in named if name not in boxes and is_names(tree.path(name))]

    def source(name: str, images: str) -> OpenImagesSource:
        return OpenImagesSource(csv=name, images=images, names=_names_for(name, names))

    if len(boxes) > 1:
        words, said = split_words(tree.root, boxes, "CSV files of boxes")
        splits, more = by_file(tree, words, source)
        said += more
    else:
        word = split_in(boxes[0]) or ""
        place = picture_folder(tree, posixpath.dirname(boxes[0]), word)
        splits, said = of_one(tree, source(boxes[0], place), word)
    why = f"{boxes[0]} has the columns of Open Images' boxes"
    return Recognised(splits, why, Confidence.CONTENT, said)


def _names_for(name: str, names: list[str]) -> str:
    """The nearest file of the classes' names; empty where there is none."""
    top = name.partition("/")[0]
    near = [one for one in names if one.partition("/")[0] == top] or names
    return min(near, key=lambda one: ("boxable" not in one, one), default="")
