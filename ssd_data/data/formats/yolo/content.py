"""Whether txt files are YOLO's: a sample of them is looked into."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from ssd_data.core.errors import InputError
from ssd_data.core.files.inside import expect, read_bytes, read_text
from ssd_data.data.formats.numbers import number
from ssd_data.data.formats.pictures import has_picture_ending, stem_of
from ssd_data.data.formats.tree import Tree, joined
from ssd_data.data.formats.yolo.lines import MOST_BYTES as MOST_LABEL_BYTES
from ssd_data.data.formats.yolo.meaning import is_whole
from ssd_data.data.formats.yolo.names import MOST_CLASSES
from ssd_data.data.formats.yolo.pairs import is_label_name
from ssd_data.data.formats.yolo.places import LabelFolders
from ssd_data.data.formats.yolo.schema import HIGH, LOW

MOST_BYTES = 1 << 18
MOST_LINES = 50  # of a file
MOST_FILES, ENOUGH = 200, 20


def are_yolos(tree: Tree, folders: Sequence[str]) -> bool | None:
    """Whether the txt of some folders below the root have YOLO's lines; None where none has any."""
    fitting, lines = 0, 0
    for folder in dict.fromkeys(folders):
        fits, count = _look(tree, folder)
        fitting, lines = fitting + fits, lines + count
    return fitting * 2 > lines if lines else None


def _look(tree: Tree, folder: str) -> tuple[int, int]:
    """How many lines fit, and how many there are, in files from all over a folder."""
    texts = LabelFolders(tree).texts(folder)
    pictures = set() if folder else _picture_stems(tree)
    names = [n for stem, n in sorted(texts.items()) if _is_label(joined(folder, n), pictures)]
    if not names and tree.folders(folder):
        names = [name for name in tree.below(folder) if is_label_name(name)]
    step = max(1, len(names) // MOST_FILES)
    fitting, lines, files = 0, 0, 0
    for name in names[::step][:MOST_FILES]:
        try:
            data = read_bytes(tree.path(joined(folder, name)), "txt", MOST_BYTES)
        except InputError:
            continue
        text = data.decode("utf-8-sig", "replace")
        rows = [row for line in text.splitlines()[:MOST_LINES] if (row := line.split())]
        fitting, lines = fitting + sum(map(_fits, rows)), lines + len(rows)
        files += bool(rows)
        if files == ENOUGH:
            break
    return fitting, lines


def _picture_stems(tree: Tree) -> set[str]:
    """The pictures that lie in the root itself, without their endings."""
    return {stem_of(name) for name in tree.names() if has_picture_ending(name)}


def _is_label(path: str, pictures: Collection[str]) -> bool:
    """Whether a txt is a picture's; one in the root that is called as a list is, if that is there.

    So ``train_01.txt`` beside ``train_01.jpg`` is no list of pictures.
    """
    return is_label_name(path) or (path.endswith(".txt") and stem_of(path) in pictures)


def _fits(words: list[str]) -> bool:
    """Whether a line is a class number and at least four fractions."""
    values = [number(word) for word in words[:5]]
    if len(values) < 5 or not all(map(math.isfinite, values)):
        return False
    inside = all(LOW <= value <= HIGH for value in values[1:])
    return inside and (is_whole(values[0]) or values[0] == -1)


def highest_number(tree: Tree) -> int:
    """The highest class number of a folder's txt files; -1 where none has any.

    Lines that are none of YOLO's do not count: they are met when the files are read.
    """
    highest, pictures = -1, _picture_stems(tree)
    labels = [path for path in tree.below() if _is_label(path, pictures)]
    expect(tree.root, map(tree.path, labels))
    for path in labels:
        try:
            text = read_text(tree.path(path), "txt", MOST_LABEL_BYTES)
        except InputError:
            continue
        for line in text.splitlines():
            words = line.split()
            if len(words) >= 5 and (value := number(words[0])) > highest and is_whole(value):
                highest = int(value) if value < MOST_CLASSES else highest
    return highest
