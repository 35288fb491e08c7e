"""YOLO data sets: recognised, and read as :class:`AnnotatedImage` with boxes in fractions.

``xmin = cx - w / 2`` and so on, in double precision, rounded once. Boxes are of the picture as its
EXIF orientation turns it, as all present readers of YOLO have it. A txt that is empty or not there
is a picture without objects; both are counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ssd_data.core.classes.background import is_background_first
from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import listable
from ssd_data.core.files.spill import Spill
from ssd_data.core.notes import Tally
from ssd_data.core.structures import Entry
from ssd_data.data.formats import Confidence, Format, Recognised, manyfiles
from ssd_data.data.formats.tree import Tree
from ssd_data.data.formats.yolo.content import are_yolos, highest_number
from ssd_data.data.formats.yolo.folders import Arranged, arrangement
from ssd_data.data.formats.yolo.lines import LabelReader
from ssd_data.data.formats.yolo.names import Classes, files_of_names, read_classes
from ssd_data.data.formats.yolo.pairs import pairs
from ssd_data.data.formats.yolo.places import is_here
from ssd_data.data.formats.yolo.schema import LAYOUT, YoloSource, needs
from ssd_data.data.formats.yolo.stated import (
    YoloIndex,
    from_data_file,
    from_data_yaml,
    require_inside,
    yaml_with_names,
)
from ssd_data.data.formats.yolo.unused import beside_folders, other_names, unused


def recognise(tree: Tree) -> Recognised[YoloSource] | None:
    """What ``data.yaml``, ``.data`` or the folders' names and the txt in them say.

    Raises:
        InputError: ``data.yaml`` is broken; two files say which splits there are.
    """
    arranged = arrangement(tree)
    yolos = are_yolos(tree, arranged.label_folders) if arranged else None
    try:
        stated = from_data_yaml(tree) or from_data_file(tree)
    except InputError:
        if yolos or arranged is None:
            raise
        return None
    return _recognised(tree, stated, arranged, yolos)


def indexed(tree: Tree, name: str) -> Recognised[YoloSource] | None:
    """What one ``data.yaml`` or ``.data`` says, or where it names classes only, the folders.

    Raises:
        InputError: it is broken.
    """
    if name not in tree.names():
        return None
    stated = from_data_yaml(tree, name) or from_data_file(tree, name)
    arranged = arrangement(tree)
    if stated is None and yaml_with_names(tree, name):
        stated = YoloIndex(name, names=name)
    if stated is not None:
        require_inside(tree.root, stated)
    yolos = are_yolos(tree, arranged.label_folders) if arranged else None
    return _recognised(tree, stated, arranged, yolos) if stated else None


def _recognised(
    tree: Tree, stated: YoloIndex | None, arranged: Arranged | None, yolos: bool | None
) -> Recognised[YoloSource] | None:
    folder = tree.root
    sources = [source for several in stated.splits.values() for source in several] if stated else []
    here = [path for path in (source.images for source in sources) if is_here(folder, path)]
    if stated is not None and (here or (sources and not yolos)):
        return _as_stated(tree, stated, here)
    if arranged is None or not yolos:
        return None
    return _as_arranged(tree, arranged, stated)


def _as_stated(tree: Tree, stated: YoloIndex, here: Sequence[str]) -> Recognised[YoloSource]:
    why, said = f"{stated.file} says its splits", list(stated.said)
    if not here:
        return Recognised(stated.splits, why, Confidence.NAMES, said)
    if not read_classes(tree.root, stated.names).names:
        said.append(_nameless(stated.names))
    said += unused(tree, stated)
    return Recognised(stated.splits, why, Confidence.CONTENT, said)


def _as_arranged(
    tree: Tree, arranged: Arranged, stated: YoloIndex | None
) -> Recognised[YoloSource]:
    names, said = _names_for(tree, arranged, stated)
    splits = arranged.sources(tree, names)
    said = [*(stated.said if stated else ()), *arranged.said, *said]
    if arranged.whole is None:
        said += beside_folders(tree, splits)
    why = f"{arranged.why}, and the txt have YOLO's lines"
    return Recognised(splits, why, Confidence.CONTENT, said)


def _names_for(tree: Tree, arranged: Arranged, stated: YoloIndex | None) -> tuple[str, list[str]]:
    """The file that names the classes, and what is to be said of it."""
    first = stated.names if stated else yaml_with_names(tree)
    places = [path for pair in arranged.pairs for path in reversed(pair) if path]
    above = [place.rpartition("/")[0] for place in places]
    folders = ["", "data", *above, *places]
    taken = first or next(iter(files_of_names(tree, folders)), "")
    return taken, list(other_names(tree, taken, folders)) if taken else [_nameless("")]


def _nameless(file: str) -> str:
    cure = f"with names: in {file}" if file else "in classes.txt here, one a line,"
    return (
        f"no file names the classes: they are called by their numbers, from 0. Name them {cure} or "
        "with --map 0=NAME"
    )


def read(root: Path, source: YoloSource, notes: Tally) -> Iterator[Entry]:
    """The pictures of a source: of a list in its order, of a folder sorted by their paths.

    Raises:
        InputError: there is no picture, no picture has a txt, or the lines of all are no boxes of
            the truth (``meaning.py``).
    """
    classes = read_classes(root, source.names)
    reader = LabelReader(classes)
    found = pairs(root, source, notes)
    manyfiles.expect(root, (root / label for pair in found for label in reader.files(pair)))
    read = manyfiles.each(root, lambda _: found, reader, notes)
    entries = Spill(entry for _, entry in read)
    reader.evidence.judge(listable(source.images), classes.certain)
    yield from entries


def classes(root: Path, source: YoloSource) -> list[tuple[str, str]]:
    """The classes by their numbers; where nothing names them, the numbers that any txt has.

    A background that stands first is none: who has boxes of it is told so when they are read.
    """
    found = read_classes(root, source.names)
    names = list(found.names.values()) or _numbers(root, found)
    if names and is_background_first(names[0]):
        del names[0]
    return [(name, name) for name in names]


def _numbers(root: Path, found: Classes) -> list[str]:
    count = found.count
    if count is None:
        count = highest_number(Tree(root)) + 1
    return [str(number) for number in range(count)]


FORMAT = Format(
    YoloSource,
    read,
    needs,
    layout=LAYOUT,
    recognise=recognise,
    classes=classes,
    indexed=indexed,
)
