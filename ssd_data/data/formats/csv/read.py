"""CSV files of boxes: a row a box, in the columns that the first line names.

A picture's rows need not be neighbours; a row without a box says that its picture may have none.
Boxes are corners, a corner and sides, or a centre and sides, in pixels or, where all of the file's
lie within 0 to 1, in fractions. A class is its name, else its number. Without names of columns rows
are keras-retinanet's (``path,x1,y1,x2,y2,class``) or Google AutoML's (``TRAIN,path,class,``
vertices). A column of splits says which picture is whose.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import below
from ssd_data.core.notes import Tally
from ssd_data.core.structures import AnnotatedImage, Boxes, Entry, Unreadable
from ssd_data.data.formats import Format
from ssd_data.data.formats.csv.found import FoundPictures
from ssd_data.data.formats.csv.judge import are_fractions, corners_of, whole_file
from ssd_data.data.formats.csv.kinds import look_at
from ssd_data.data.formats.csv.labels import class_names, labels_of
from ssd_data.data.formats.csv.recognise import indexed, recognise
from ssd_data.data.formats.csv.schema import CsvSource
from ssd_data.data.formats.csv.splitting import split_of
from ssd_data.data.formats.csv.table import Column, CsvTable, picture_names
from ssd_data.data.formats.indexes import ListedFinder
from ssd_data.data.formats.pairlists import BoxlessError
from ssd_data.data.formats.splits import is_training

LAYOUT = """\
<name>.csv              (its first line names the columns: filename,xmin,ymin,xmax,ymax,class)
<picture>.jpg           (or images/<picture>.jpg; train.csv and test.csv are splits)"""
UNNAMED = "picture that no row names (left out)"
TWICE = "row that stands twice (both are kept)"


def needs(source: CsvSource) -> list[str]:
    """The paths below the root that a source cannot do without."""
    return [source.csv, *filter(None, [source.names]), *source.folders()]


def classes(root: Path, source: CsvSource) -> list[tuple[str, str]]:
    """The classes of the file that lists them, in its order; none where there is no such file."""
    names = class_names(root, source.names)
    return [(name, name) for name in names.values()]


def read(root: Path, source: CsvSource, notes: Tally) -> Iterator[Entry]:
    """The pictures of a CSV in the order of their first rows; then those that it does not name.

    Raises:
        InputError: the file is no CSV of boxes, contradicts itself, or none of its pictures is
            here.
    """
    of_all = Tally() if source.first else notes  # what is of no picture is said once
    table = _table(root, source, of_all)
    finder = ListedFinder(root, source, source.csv)
    found = FoundPictures(table, finder)
    if len(found.absent) == len(found.paths):
        hint = f"They are looked for below {root / source.images}"
        raise InputError("none of its pictures is here", where=source.csv, hint=hint)
    boxes = corners_of(table, source.four, lambda index: finder.size_of(table.pictures[index]))
    for kind in whole_file(table):
        of_all.add(kind, table.name)
    maker = _Maker(table, found, boxes, labels_of(table, class_names(root, source.names)))
    chosen = list(_chosen(source, found, table.layout.flags, of_all))
    named = {path for index, path in enumerate(found.paths) if index not in found.absent}
    rest = list(source.unnamed(finder.pictures, named)) if source.rest else []
    if not source.rest and (source.beside or is_training(source.split)):
        for other in source.beside:
            named |= finder.paths_of(picture_names(below(root, other), other))
        for path in source.unnamed(finder.pictures, named):
            of_all.add(UNNAMED, path)
    images = [*(found.paths[index] for index in chosen), *rest]
    for index in source.chosen(images, root, in_order=False):
        if index < len(chosen):
            yield maker.entry(chosen[index], notes)
        else:
            error = InputError(f"no row is of the picture {images[index]}", where=source.csv)
            yield Unreadable(images[index], source.csv, error, unannotated=True)


def _table(root: Path, source: CsvSource, notes: Tally) -> CsvTable:
    look = look_at(below(root, source.csv), source.csv, source.columns)
    if look.foreign:
        hint = "Read it with --format openimages"
        raise InputError("these are Open Images' columns", where=f"{source.csv}:1", hint=hint)
    if look.fault is not None:
        raise look.fault
    table = CsvTable(source.csv, look)
    table.read(root, notes)
    if not table.pictures:
        raise InputError("the CSV holds no row", where=source.csv)
    return table


def _chosen(source: CsvSource, found: FoundPictures, flags: bool, notes: Tally) -> Iterator[int]:
    """The pictures that are of a source's split and folder."""
    for index, path in enumerate(found.paths):
        if source.split and split_of(found.split(index), flags) != source.split:
            continue
        if source.takes(path, index not in found.absent, notes):
            yield index


class _Maker:
    """Makes the entries of a table's pictures."""

    def __init__(
        self, table: CsvTable, found: FoundPictures, boxes: Boxes, labels: list[str | int]
    ) -> None:
        self.table, self.found, self.boxes, self.labels = table, found, boxes, labels
        self.fractions = are_fractions(table, boxes)

    def entry(self, index: int, notes: Tally) -> Entry:
        """One picture."""
        table, path = self.table, self.found.paths[index]
        members = self.found.members(index)
        for member in members:
            if member in table.notes:
                notes.merge(table.notes[member])
        if index in self.found.absent:
            return Unreadable(path, table.name, self.found.missing(index))
        if fault := next((table.errors[m] for m in members if m in table.errors), None):
            return Unreadable(path, table.name, fault)
        parts = [table.rows(member) for member in members]
        rows = np.concatenate([np.arange(part.start, part.stop) for part in parts])
        entry = self._annotated(path, members[0], rows, notes)
        boxless = [text for member in members for text in table.boxless.get(member, [])]
        return BoxlessError(boxless, entry).entry() if boxless else entry

    def _annotated(self, path: str, picture: int, rows: Column, notes: Tally) -> AnnotatedImage:
        table, boxes = self.table, self.boxes[rows]
        label, line = table.label[rows].tolist(), table.line[rows].tolist()
        if len(label) > 1:
            seen: set[tuple[object, ...]] = set()
            for at, row in enumerate(zip(label, boxes.tolist(), strict=True)):
                key = (row[0], *row[1])
                if key in seen:
                    notes.add(TWICE, f"{table.name}:{line[at]}")
                seen.add(key)
        return AnnotatedImage(
            image=path,
            annotation=table.name,
            classes=tuple(self.labels[one] for one in label),
            boxes=boxes,
            difficult=table.hard[rows],
            width=int(table.width[picture]) or None,
            height=int(table.height[picture]) or None,
            places=tuple(line),
            normalized=self.fractions,
        )


FORMAT = Format(
    CsvSource,
    read,
    needs,
    layout=LAYOUT,
    recognise=recognise,
    classes=classes,
    indexed=indexed,
)
