"""Which folders hold CSV files of boxes, and what their splits are."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path

import msgspec

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import listable
from ssd_data.data.formats import Confidence, Recognised
from ssd_data.data.formats.csv.kinds import TableLook, look_at
from ssd_data.data.formats.csv.labels import are_names
from ssd_data.data.formats.csv.schema import CsvSource
from ssd_data.data.formats.csv.splitting import column_splits
from ssd_data.data.formats.indexsplits import UNASSIGNED, by_file, by_value, of_one, split_words
from ssd_data.data.formats.parts import files_of, holds_picture, picture_folder
from ssd_data.data.formats.splits import role, split_in
from ssd_data.data.formats.tree import Tree

ENDINGS = frozenset({".csv", ".tsv"})
MOST_FILES = 256
_ANNOTATIONS = "xml json jsonl manifest txt yaml yml parquet data"
_READ_ME = ("readme.txt", "license.txt")
Splits = dict[str, list[CsvSource]]


def recognise(tree: Tree) -> Recognised[CsvSource] | None:
    """The splits by a column, by the names of the CSV files, or by the folders of their pictures.

    Raises:
        InputError: several CSV files of boxes contradict each other.
    """
    named = list(islice(files_of(tree, ENDINGS), MOST_FILES))
    looks = {name: look for name in named if (look := _look(tree.root, name)) is not None}
    boxes = {name: look for name, look in looks.items() if look.layout is not None}
    return _recognised(tree, boxes, named) if boxes else _not_understood(tree, looks)


def indexed(tree: Tree, name: str) -> Recognised[CsvSource] | None:
    """The splits of one CSV of boxes; of one that is not understood, so that it is said why."""
    look = _look(tree.root, name)
    if look is None:
        return None
    if look.layout is None:
        why = f"{name} is a CSV"
        return Recognised({"trainval": [CsvSource(csv=name)]}, why, Confidence.NAMES)
    return _recognised(tree, {name: look}, list(islice(files_of(tree, ENDINGS), MOST_FILES)))


def _recognised(
    tree: Tree, boxes: Mapping[str, TableLook], named: Sequence[str]
) -> Recognised[CsvSource]:
    names = [n for n in named if n not in boxes and are_names(tree.path(n), n)]
    splits, said = _splits(tree, boxes, names)
    first = next(iter(splits.values()))[0].csv
    look = boxes[first]
    why = f"{first} {'names the' if look.header else 'has'} columns of pictures and boxes"
    sure = Confidence.FILES if any(one.scored for one in boxes.values()) else Confidence.CONTENT
    return Recognised(splits, why, sure, said)


def _look(folder: Path, name: str) -> TableLook | None:
    """What a file is; None where it is no text, or another format's."""
    try:
        look = look_at(folder / name, name)
    except InputError:
        return None
    return None if look.foreign else look


def _not_understood(tree: Tree, looks: Mapping[str, TableLook]) -> Recognised[CsvSource] | None:
    """A CSV that stands for all annotations that are here, so that its fault is what to say."""
    odd = [name for name in looks if not are_names(tree.path(name), name)]
    if len(odd) != 1 or not holds_picture(tree):
        return None
    for path in tree.below():
        name = posixpath.basename(path).lower()
        if name.rpartition(".")[2] in _ANNOTATIONS.split() and name not in _READ_ME:
            return None
    why = f"{odd[0]} is all that lies beside the pictures"
    return Recognised({"trainval": [CsvSource(csv=odd[0])]}, why, Confidence.NAMES)


def _splits(
    tree: Tree, boxes: Mapping[str, TableLook], names: Sequence[str]
) -> tuple[Splits, list[str]]:
    folder = tree.root

    def source(name: str, place: str) -> CsvSource:
        return CsvSource(csv=name, images=place, names=_names_for(name, names))

    if len(boxes) > 1:
        words, said = split_words(folder, list(boxes), "CSV files of boxes")
        for name, word in words.items():
            _require_agreeing(folder, name, boxes[name], word)
        splits, more = by_file(tree, words, source)
        return splits, [*said, *more]
    ((name, look),) = boxes.items()
    word = split_in(name) or ""
    whole = source(name, picture_folder(tree, posixpath.dirname(name), word))
    if found := column_splits(folder / name, name, look):
        flags = look.layout is not None and look.layout.flags
        return by_value(
            found,
            lambda split: msgspec.structs.replace(whole, split=split, rest=False),
            words_are_names=not flags,
        )
    splits, more = of_one(tree, whole, word)
    if look.layout is not None and look.layout.split >= 0 and look.header:
        column = listable(look.header[look.layout.split].strip())
        more = [f'the column "{column}" holds no names of splits: it is not used', *more]
    return splits, more


def _names_for(name: str, names: Iterable[str]) -> str:
    """The nearest file of classes and numbers; empty where there is none."""
    beside = posixpath.dirname(name)
    return min(names, key=lambda one: (posixpath.dirname(one) != beside, one), default="")


def _require_agreeing(folder: Path, name: str, look: TableLook, word: str) -> None:
    """Refuse a file whose name says another split than its column."""
    found = column_splits(folder / name, name, look) or {}
    allowed = {role(word), UNASSIGNED} | ({"train", "val"} if role(word) == "trainval" else set())
    if wrong := [words[0] for split, words in found.items() if split not in allowed]:
        raise InputError(
            f'its name says "{word}", its column of splits "{listable(wrong[0])}"',
            where=folder / name,
            hint="Rename the file, or let one file hold all splits",
        )
