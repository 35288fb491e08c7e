"""KITTI: one txt a picture, 15 columns an object (the object development kit's ``readme.txt``).

``type truncated occluded alpha left top right bottom`` and seven 3-D values, which are read over,
as are truncation and occlusion. A sixteenth column is a detection's score. ``DontCare`` regions are
difficult boxes of a class of that name, which a data set's ``map`` drops unless told otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np

from ssd_data.core.errors import InputError
from ssd_data.core.files.inside import read_lines, read_text
from ssd_data.core.files.paths import below
from ssd_data.core.notes import Tally
from ssd_data.core.structures import AnnotatedImage, Entry, Unreadable
from ssd_data.data.formats import Confidence, Format, Recognised, manyfiles
from ssd_data.data.formats.numbers import FAR, number
from ssd_data.data.formats.parts import files_in
from ssd_data.data.formats.pictures import Pictures, files_below, stem_of
from ssd_data.data.formats.splits import role
from ssd_data.data.formats.tree import Tree

LAYOUT = """\
training/image_2/<name>.png
training/label_2/<name>.txt    (type, truncated, occluded, alpha, left top right bottom, 3-D)
ImageSets/<split>.txt          (names, one a line; without them all of a folder is one split)"""
PAIRS = (("image_2", "label_2"), ("image_02", "label_02"), ("images", "labels"))
COLUMNS = (15, 16)
DONT_CARE = "DontCare"
MAX_BYTES, SAMPLE, SAMPLE_BYTES = 16 << 20, 20, 1 << 20


class KittiSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Pictures of a folder and the txt files of another.

    Attributes:
        images, labels: the folders, below the root.
        list: a file of picture names without ending, below the root; empty for all pictures.
    """

    images: str
    labels: str
    list: str = ""


def recognise(tree: Tree) -> Recognised[KittiSource] | None:
    """Pairs of folders whose txt files all have KITTI's columns."""
    pairs = [(split, s) for split, s in _pairs(tree) if _is_kitti(tree, s.labels)]
    if not pairs:
        return None
    lists = _lists(tree)
    if lists and len(pairs) == 1:
        source = pairs[0][1]
        splits = {n: [msgspec.structs.replace(source, list=path)] for n, path in lists.items()}
        said = []
    else:
        splits = {split or "trainval": [source] for split, source in pairs}
        said = [] if pairs[0][0] else [_unsplit(pairs[0][1])]
    why = f"{pairs[0][1].labels} has txt files of 15 columns"
    return Recognised(splits, why, Confidence.CONTENT, said, map={DONT_CARE: ""})


def _pairs(tree: Tree) -> Iterator[tuple[str, KittiSource]]:
    """Split and folders: here, in the folders here, or split below the two folders."""
    for split in ("", *tree.folders()):
        above, here = f"{split}/" if split else "", tree.folders(split)
        for images, labels in PAIRS:
            if images not in here or labels not in here:
                continue
            parts = tree.folders(above + labels)
            for part in parts if parts and all(map(role, parts)) else [""]:
                behind = f"/{part}" if part else ""
                source = KittiSource(f"{above}{images}{behind}", f"{above}{labels}{behind}")
                yield part or split, source


def _lists(tree: Tree) -> dict[str, str]:
    """The lists of splits, by their names."""
    for place in ("ImageSets", "ImageSets/Main", ""):
        paths = (path for path in files_in(tree, (".txt",), place) if path.endswith(".txt"))
        found = {stem_of(path.rpartition("/")[2]): path for path in paths}
        if named := {name: path for name, path in found.items() if role(name)}:
            return named
    return {}


def _unsplit(source: KittiSource) -> str:
    return (
        f"no split is named: all of {source.images} is trainval; to split it, list names in "
        "ImageSets/train.txt and ImageSets/val.txt"
    )


def _is_kitti(tree: Tree, labels: str) -> bool:
    """Whether most lines of the first txt files have KITTI's columns; the others are errors."""
    alike = other = 0
    for path in islice((p for p in tree.below(labels) if p.endswith(".txt")), SAMPLE):
        try:
            text = read_text(tree.path(labels) / path, "annotation", SAMPLE_BYTES)
        except InputError:
            return False
        rows = [_is_row(line.split()) for line in text.splitlines() if line.strip()]
        alike, other = alike + sum(rows), other + len(rows) - sum(rows)
    return alike > other


def _is_row(words: list[str]) -> bool:
    numbers = [number(word) for word in words]
    return (
        len(words) in COLUMNS
        and numbers[0] != numbers[0]
        and all(abs(value) < FAR for value in numbers[1:])
    )


def needs(source: KittiSource) -> list[str]:
    """The paths below the root that a source cannot do without."""
    return [source.images, source.labels, *filter(None, [source.list])]


def read(root: Path, source: KittiSource, notes: Tally) -> Iterator[Entry]:
    """The pictures of the list in its order, else all of the folder, sorted.

    Raises:
        InputError: the list names a picture that is not there, or there is no picture.
    """
    return manyfiles.entries(root, partial(_all, root, source), notes)


def _all(root: Path, source: KittiSource, notes: Tally) -> Iterator[Entry | KittiFile]:
    pictures = Pictures.below(below(root, source.images))
    labels = {stem_of(p) for p in files_below(below(root, source.labels)) if p.endswith(".txt")}
    names = _listed(root, source, pictures) if source.list else list(pictures.paths)
    if not names:
        raise InputError("no pictures here", where=root / source.images)
    manyfiles.expect(root, (root / f"{source.labels}/{stem_of(name)}.txt" for name in names))
    for name in names:
        yield _entry(source, name, labels)
    if not source.list:
        for stem in sorted(labels - {stem_of(name) for name in names}):
            notes.add("annotation without a picture", f"{source.labels}/{stem}.txt")


def _listed(root: Path, source: KittiSource, pictures: Pictures) -> list[str]:
    found = []
    for line, text in enumerate(read_lines(below(root, source.list), "list"), 1):
        if name := text.strip():
            where = f"{source.list}:{line}"
            picture = pictures.find(name, where)
            if picture is None:
                hint = pictures.spelling_hint(name)
                raise InputError(f'no picture "{name}" in {source.images}', where=where, hint=hint)
            found.append(picture.path)
    return found


@dataclass(frozen=True, slots=True)
class KittiFile:
    """A picture whose txt is still to be read."""

    image: str
    file: str

    def read(self, root: Path, notes: Tally) -> Entry:
        """See :class:`~ssd_data.data.formats.manyfiles.Waiting`."""
        return _image(root / self.file, self.image, self.file, notes)

    def unreadable(self, error: InputError) -> Unreadable:
        """See :class:`~ssd_data.data.formats.manyfiles.Waiting`."""
        return Unreadable(self.image, self.file, error)


def _entry(source: KittiSource, name: str, labels: set[str]) -> Entry | KittiFile:
    image, annotation = f"{source.images}/{name}", f"{source.labels}/{stem_of(name)}.txt"
    if stem_of(name) not in labels:
        missing = InputError("the annotation is missing", where=annotation)
        return Unreadable(image, annotation, missing, unannotated=True)
    return KittiFile(image, annotation)


def _image(path: Path, image: str, annotation: str, notes: Tally) -> AnnotatedImage:
    lines = read_text(path, "annotation", MAX_BYTES, annotation).splitlines()
    numbered = [(n, line.split()) for n, line in enumerate(lines, 1) if line.strip()]
    for n, words in numbered:
        if not _is_row(words):
            raise InputError(
                f"not KITTI's 15 columns: a type, then 14 numbers (there are {len(words)} columns)",
                where=f"{annotation}:{n}",
            )
        if len(words) == max(COLUMNS):
            notes.add("score of a box is read over (a 16th column)", f"{annotation}:{n}")
    return AnnotatedImage(
        image=image,
        annotation=annotation,
        classes=tuple(_type(words[0]) for _, words in numbered),
        boxes=np.array([words[4:8] for _, words in numbered], np.float32).reshape(-1, 4),
        difficult=np.array([_type(words[0]) == DONT_CARE for _, words in numbered], np.bool_),
        places=tuple(n for n, _ in numbered),
    )


def _type(word: str) -> str:
    return DONT_CARE if word.lower() == DONT_CARE.lower() else word


FORMAT = Format(KittiSource, read, needs, layout=LAYOUT, recognise=recognise)
