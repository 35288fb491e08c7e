"""Hugging Face data sets: Parquet files with ``image`` and ``objects``, or pictures and a
``metadata.jsonl``: https://huggingface.co/docs/datasets/object_detection and …/image_dataset.

Pictures that lie in a Parquet file are read from there. What a box's four numbers are is recorded
nowhere: all boxes together tell. Classes are texts, or numbers that the features name. A crowd is
difficult.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ssd_data.core.boxes import from_xywh
from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import below
from ssd_data.core.notes import Tally
from ssd_data.core.structures import AnnotatedImage, Boxes, Entry, Unreadable
from ssd_data.data.formats import Format
from ssd_data.data.formats.huggingface.features import class_names, classes_of
from ssd_data.data.formats.huggingface.gallery import PictureGallery, ShownPicture
from ssd_data.data.formats.huggingface.meaning import are_fractions, decide, require
from ssd_data.data.formats.huggingface.objects import ONLY_CLASS, Keys
from ssd_data.data.formats.huggingface.recognise import indexed, recognise
from ssd_data.data.formats.huggingface.rows import numbered_rows, picture_name
from ssd_data.data.formats.huggingface.schema import PARQUET, HuggingFaceSource
from ssd_data.data.formats.huggingface.table import ObjectTable, sample_keys

LAYOUT = """\
data/<split>-00000-of-00001.parquet   (image, objects: needs pip install 'ssd-data[hf]')
or <split>/metadata.jsonl             ({"file_name": ..., "objects": {"bbox": ..., ...}})
   <split>/<picture>.jpg"""
UNNAMED = "picture that no row names (left out)"
NO_CLASS = f'no key names a class: all boxes are "{ONLY_CLASS}"'


def needs(source: HuggingFaceSource) -> list[str]:
    """The paths below the root that a source cannot do without."""
    return [source.file, *source.folders()]


def classes(root: Path, source: HuggingFaceSource) -> list[tuple[str, str]]:
    """The classes that the features name, in their order; none where they do not."""
    return classes_of(class_names(root, source.file, _keys(root, source)))


def read(root: Path, source: HuggingFaceSource, notes: Tally) -> Iterator[Entry]:
    """The pictures of a file in its order; then those beside a metadata file that it does not name.

    Raises:
        InputError: the file is broken, or nothing tells what boxes are.
    """
    of_all = Tally() if source.first else notes  # what is of no picture is said once
    keys = _keys(root, source)
    table = ObjectTable(root, source.file, keys)
    if not table.pictures:
        raise InputError("the file holds no row", where=source.file)
    if not keys.label and len(table.numbers):
        of_all.add(NO_CLASS, source.file)
    maker = _Maker(root, source, table, class_names(root, source.file, keys))
    chosen = list(maker.chosen(of_all))
    rest = list(maker.unnamed(of_all))
    images = [*(maker.shown[index].path for index in chosen), *rest]
    for index in source.chosen(images, root, in_order=False):
        if index < len(chosen):
            yield maker.entry(chosen[index], notes)
        else:
            error = InputError(f"no row is of the picture {images[index]}", where=source.file)
            yield Unreadable(images[index], source.file, error, unannotated=True)


def _keys(root: Path, source: HuggingFaceSource) -> Keys:
    found = sample_keys(below(root, source.file), source.file)
    if found is None:
        raise InputError(
            "no boxes are here",
            where=source.file,
            hint='Boxes are lists of four numbers under "bbox", best in a column "objects"',
        )
    return found


class _Maker:
    """Makes the entries of a table's rows."""

    def __init__(
        self, root: Path, source: HuggingFaceSource, table: ObjectTable, names: list[str]
    ) -> None:
        self.source, self.table, self.names = source, table, names
        self.gallery = PictureGallery(root, source, table)
        self.shown: list[ShownPicture] = [self.gallery.show(i) for i in range(len(table.pictures))]
        if all(shown.error for shown in self.shown):
            raise self.shown[0].error or InputError("no picture is here", where=source.file)
        self.fractions = are_fractions([table])
        meaning = source.four or decide([table], lambda _, i: self.gallery.size_of(i))
        sides = require(meaning, table) == "sides"
        self.boxes: Boxes = from_xywh(table.numbers) if sides else table.numbers

    def chosen(self, notes: Tally) -> Iterator[int]:
        """The pictures that are of the source's folder."""
        for index, shown in enumerate(self.shown):
            if shown.held or self.source.takes(shown.path, shown.error is None, notes):
                yield index

    def unnamed(self, notes: Tally) -> list[str]:
        """Pictures beside those of the rows that no row is of; where others' are beside, too, they
        are only counted."""
        named = {s.path for s in self.shown if s.held is None and s.error is None}
        finder = self.gallery.finder
        if not named or not (self.source.rest or self.source.beside):
            return []
        for other in self.source.beside:
            rows = numbered_rows(below(finder.root, other), other)
            named |= finder.paths_of(picture_name(row) for _, row in rows)
        found = list(self.source.unnamed(finder.pictures, named))
        if self.source.rest:
            return found
        for path in found:
            notes.add(UNNAMED, path)
        return []

    def entry(self, index: int, notes: Tally) -> Entry:
        """One picture."""
        table, shown = self.table, self.shown[index]
        where, file = table.where(index), self.source.file
        if error := shown.error or table.errors.get(index):
            return Unreadable(shown.path, file, error)
        if shown.how:
            notes.add(f"picture found {shown.how}", f"{where}: {table.pictures[index]}")
        if index in table.bare:
            error = InputError("the row has no objects", where=where)
            return Unreadable(shown.path, file, error, unannotated=True, held=shown.held)
        mine = table.rows(index)
        labels = [table.classes[label] for label in table.label[mine].tolist()]
        try:
            classes = tuple(self._name(label) for label in labels)
        except IndexError:
            text = f"class {max(n for n in labels if isinstance(n, int))}, of {len(self.names)}"
            return Unreadable(shown.path, file, InputError(text, where=where))
        width, height = table.sizes[index].tolist()
        return AnnotatedImage(
            image=shown.path,
            annotation=file,
            classes=classes,
            boxes=self.boxes[mine],
            difficult=table.hard[mine],
            width=width or None,
            height=height or None,
            places=(table.place[index],) * len(labels),
            place_kind="row" if file.endswith(PARQUET) else "line",
            normalized=self.fractions,
            held=shown.held,
        )

    def _name(self, label: int | str) -> int | str:
        if isinstance(label, str) or not self.names:
            return label
        return self.names[label]


FORMAT = Format(
    HuggingFaceSource,
    read,
    needs,
    layout=LAYOUT,
    recognise=recognise,
    classes=classes,
    indexed=indexed,
)
