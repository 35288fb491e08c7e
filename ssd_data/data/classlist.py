"""The file beside a data set that names its classes, where its format has no place for them.

People keep TensorFlow's ``label_map.pbtxt`` beside their CSVs, ``classes.txt`` beside VOC's XML;
CVAT writes a ``labelmap.txt`` there. ``labelmap.prototxt`` counts in any format.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ssd_data.core.errors import InputError
from ssd_data.core.files.fences import require_inside
from ssd_data.core.labelmap import LabelMap, read_labelmap
from ssd_data.data import formats
from ssd_data.data.formats import Recognised
from ssd_data.data.formats.foldernames import holds_annotations
from ssd_data.data.formats.tree import Tree
from ssd_data.data.lmdb.manifest import LABELMAP

# The surest first. What is called a labelmap must be one; of the others each may be something else.
OFTEN_ANOTHER = "labels.txt"
_LABELMAP = re.compile(r"(.*[_.-])?label_?map([_.-].*)?\.(prototxt|pbtxt|txt)", re.I)
_NAMES = re.compile(r"(classes|class_names|labels)\.txt|(.+\.)?names", re.I)


def class_list(
    tree: Tree, format: str, recognised: Recognised[Any]
) -> tuple[Path | None, list[str]]:
    """The file that names the classes of a data set, and what is to be said of that.

    Raises:
        InputError: a labelmap is broken.
    """
    known = tree.path(LABELMAP) if LABELMAP in tree.names() else recognised.labelmap
    if known is not None:
        require_inside(known)
        return known, []
    found = list(_files(tree))
    if not found or _states(tree.root, format, recognised):
        return None, []
    taken: tuple[str, LabelMap] | None = None
    said = []
    for name in found:
        try:
            require_inside(tree.path(name))
            labelmap = read_labelmap(tree.path(name)).require_sound()
        except InputError as error:
            called = name.rpartition("/")[2]
            if _LABELMAP.fullmatch(called):
                raise
            if called.lower() != OFTEN_ANOTHER:
                said.append(f"{name} is not taken for a list of the classes: {error.what}")
            continue
        if taken is None:
            taken = name, labelmap
        elif taken[1] != labelmap:
            said.append(f"{name} names other classes, or in another order: it is not used")
    if taken is None:
        return None, said
    return tree.path(taken[0]), [
        f"{taken[0]} names the classes, unless --labelmap says another",
        *said,
    ]


def _files(tree: Tree) -> Iterator[str]:
    """The files that may name classes, in the root and where annotations lie."""
    folders = ["", *(f"{name}/" for name in tree.folders() if holds_annotations(name))]
    for called in (_LABELMAP, _NAMES):
        for folder in folders:
            for name in tree.names(folder.rstrip("/")):
                if called.fullmatch(name):
                    yield folder + name


def _states(root: Path, format: str, recognised: Recognised[Any]) -> bool:
    """Whether the data set itself says which classes it has."""
    reader = formats.load(format)
    if reader.classes is None:
        return False
    sources = (source for of_split in recognised.splits.values() for source in of_split)
    try:
        return any(reader.classes(root, source) for source in sources)
    except InputError:
        return True  # what is wrong is said when they are read
