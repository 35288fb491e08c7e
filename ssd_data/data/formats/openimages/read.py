"""Open Images' boxes: https://storage.googleapis.com/openimages/web/download_v7.html.

Boxes are fractions of the picture, of its stored pixels (the EXIF orientation is not applied), in
the columns ``XMin``, ``XMax``, ``YMin``, ``YMax``, found by their names. A class is its name in the
file of class descriptions, else its code. ``IsGroupOf`` is difficult; -1 is unknown. The pictures
are those that are there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ssd_data.core.errors import InputError
from ssd_data.core.notes import Tally
from ssd_data.core.structures import AnnotatedImage, Entry, Unreadable
from ssd_data.data.formats import Format
from ssd_data.data.formats.openimages.recognise import indexed, recognise
from ssd_data.data.formats.openimages.schema import OpenImagesSource, class_names
from ssd_data.data.formats.openimages.table import CsvBoxes
from ssd_data.data.formats.pictures import Pictures, has_picture_ending, stem_of

LAYOUT = """\
<split>-annotations-bbox.csv         (ImageID, LabelName, XMin, XMax, YMin, YMax, IsGroupOf, ...)
class-descriptions-boxable.csv
<split>/<ImageID>.jpg                (or images/<split>/, images/, data/)"""
NO_NAME = "class without a description (its code is its name)"
ABSENT = "picture of the CSV that is not here (left out)"
COPIES = "picture that is there more than once (the first is taken)"


def needs(source: OpenImagesSource) -> list[str]:
    """The paths below the root that a source cannot do without."""
    return [source.csv, *filter(None, [source.names]), *source.folders()]


def read(root: Path, source: OpenImagesSource, notes: Tally) -> Iterator[Entry]:
    """The pictures of a CSV that are there, in its order; then those that it does not name.

    Raises:
        InputError: the CSV is broken, or none of its pictures is there.
    """
    of_all = Tally() if source.first else notes  # what is of no picture is said once
    pictures = _Pictures(root, source, of_all)
    table = CsvBoxes(source.csv)
    table.read(root, pictures.find)
    if not table.order:
        raise InputError(
            "none of its pictures is here",
            where=source.csv,
            hint=f"They are looked for below {root / (source.inside or source.images)}, as "
            "<ImageID>.jpg",
        )
    names = class_names(root, source.names)
    classes = [names.get(code, code) for code in table.labels]
    for code in table.labels:
        if code not in names and source.names:
            of_all.add(NO_NAME, code)
    paths = [pictures.paths[index] for index in table.order]
    rest = pictures.rest(table.order) if source.rest else []
    for index in source.chosen([*paths, *rest], root, in_order=False):
        if index < len(paths):
            yield _entry(table, table.order[index], paths[index], classes, pictures, notes)
        else:
            image = rest[index - len(paths)]
            error = InputError(f"no row is of the picture {image}", where=source.csv)
            yield Unreadable(image, source.csv, error, unannotated=True)


def _entry(
    table: CsvBoxes,
    picture: int,
    path: str,
    classes: list[str],
    pictures: _Pictures,
    notes: Tally,
) -> Entry:
    if (odd := table.notes.get(picture)) is not None:
        notes.merge(odd)
    for copy in pictures.copies.get(picture, []):
        notes.add(COPIES, f"{path}: {copy}")
    if (error := table.errors.get(picture)) is not None:
        return Unreadable(path, table.name, error)
    mine = table.rows(picture)
    return AnnotatedImage(
        image=path,
        annotation=table.name,
        classes=tuple(classes[label] for label in table.label[mine].tolist()),
        boxes=table.boxes[mine],
        difficult=table.group[mine],
        places=tuple(table.line[mine].tolist()),
        normalized=True,
        upright=False,
    )


class _Pictures:
    """The pictures of a source by the ids of a CSV: a picture's name without ending, or its path.

    Attributes:
        paths: below the root.
        copies: further pictures of the same id.
    """

    def __init__(self, root: Path, source: OpenImagesSource, notes: Tally) -> None:
        self.source, self.notes = source, notes
        start = f"{source.images}/" if source.images else ""
        self.all = Pictures.below(root)
        self.paths = [path for path in self.all.paths if path.startswith(start)]
        self.copies: dict[int, list[str]] = {}
        self._by_id: dict[str, int] = {}
        for index, path in enumerate(self.paths):
            first = self._by_id.setdefault(stem_of(path.rpartition("/")[2]), index)
            if first != index:
                self.copies.setdefault(first, []).append(path)
            if "/" in path[len(start) :]:
                self._by_id.setdefault(stem_of(path[len(start) :]), index)

    def find(self, image: str) -> int | None:
        """The index of an id's picture; None, counted, where it is not to be read."""
        found = self._by_id.get(image)
        if found is None and has_picture_ending(image):
            found = self._by_id.get(stem_of(image))
        if found is None:
            self.notes.add(ABSENT, image)
            return None
        return found if self.source.takes(self.paths[found], True, self.notes) else None

    def rest(self, named: list[int]) -> list[str]:
        """Pictures that lie where those do, but are none of them, nor a copy of one."""
        known = {self.paths[index] for index in named}
        copies = {copy for index in named for copy in self.copies.get(index, [])}
        return [path for path in self.source.unnamed(self.all, known) if path not in copies]


FORMAT = Format(OpenImagesSource, read, needs, layout=LAYOUT, recognise=recognise, indexed=indexed)
