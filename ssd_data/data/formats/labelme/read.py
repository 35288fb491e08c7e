"""LabelMe: one JSON a picture, https://github.com/wkentaro/labelme; also X-AnyLabeling's.

Points are pixels of the picture as its EXIF orientation turns it, counted from 0, fractional.
Polygons, circles, masks and rotated rectangles are taken as the upright boxes around them; points
and lines are read over; shapes of one label and ``group_id`` are parts of one object. A flag
``difficult`` of a shape makes it so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ssd_data.core.errors import InputError
from ssd_data.core.files.spill import Spill
from ssd_data.core.notes import Tally
from ssd_data.core.structures import AnnotatedImage, Entry, Unreadable
from ssd_data.data.formats import AnnotationFile, Format, manyfiles
from ssd_data.data.formats.labelme.objects import annotated
from ssd_data.data.formats.labelme.pictures import PicturesOfJson
from ssd_data.data.formats.labelme.recognise import recognise
from ssd_data.data.formats.labelme.schema import (
    LabelmeJson,
    LabelmeSource,
    decode,
    looks_like,
    stated_name,
)
from ssd_data.data.formats.pairlists import BoxlessError
from ssd_data.data.formats.pictures import stem_of

LAYOUT = """\
<name>.jpg
<name>.json    (LabelMe's, beside its picture or in a folder of their own)
               (or train/ and val/, each with such files)"""


class LabelmePicture(NamedTuple):
    """A picture and what is odd about it."""

    entry: Entry
    notes: Tally


def read(root: Path, source: LabelmeSource, notes: Tally) -> Iterator[Entry]:
    """The pictures of a source, by their paths, those without a JSON included.

    Raises:
        InputError: there is no JSON of LabelMe's.
    """
    of_all = Tally() if source.first else notes  # what is of no picture is said once
    found = Spill(_found(root, source, of_all))
    images = [one.entry.image for one in found]
    order = sorted(range(len(images)), key=images.__getitem__)
    for index in source.chosen([images[at] for at in order], root, in_order=False):
        one = found[order[index]]
        notes.merge(one.notes)
        yield one.entry


def _found(root: Path, source: LabelmeSource, notes: Tally) -> Iterator[LabelmePicture]:
    pictures = PicturesOfJson(root)
    claimed: dict[str, str] = {}
    places: set[str] = set()
    files = source.files(root)
    manyfiles.expect(root, (root / name for name in files))
    for name, data in manyfiles.each(root, lambda _: files, JsonReader(), notes):
        one = _picture(name, data, pictures)
        if one is None:
            notes.add("JSON that is not LabelMe's (read over)", name)
            continue
        image = one.entry.image
        if first := claimed.get(image):
            hint = "Keep one of the two: a picture is one record"
            error = InputError(f"{image} is annotated in {first} too", where=name, hint=hint)
            one = one._replace(entry=Unreadable(image, name, error))
        claimed.setdefault(image, name)
        if image in pictures.pictures:
            places.add(image.rpartition("/")[0])
        yield one
    if not claimed:
        raise InputError("no JSON of LabelMe's here", where=root / source.folder)
    for image in pictures.pictures.paths:
        if image not in claimed and image.rpartition("/")[0] in places:
            name = f"{image.rpartition('.')[0]}.json"
            missing = InputError("the annotation is missing", where=name)
            yield LabelmePicture(Unreadable(image, name, missing, unannotated=True), Tally())


class JsonReader:
    """Reads JSON files, see :class:`~ssd_data.data.formats.manyfiles.Reader`."""

    def files(self, item: str) -> tuple[str]:
        """The one."""
        return (item,)

    def read(self, root: Path, item: str, notes: Tally) -> LabelmeJson | InputError | None:
        """What it holds; None of another kind of JSON."""
        try:
            return decode(root / item, item)
        except InputError as error:
            return error

    def fresh(self) -> JsonReader:
        """It gathers nothing."""
        return self

    def merge(self, other: object) -> None:
        """It gathers nothing."""


def _picture(
    name: str, data: LabelmeJson | InputError | None, pictures: PicturesOfJson
) -> LabelmePicture | None:
    """The picture of a JSON; None where that is another's."""
    notes = Tally()
    image, stated = f"{name.rpartition('.')[0]}.jpg", ""  # where there is none, for the error
    try:
        if data is None:
            return None
        if isinstance(data, InputError):
            raise data
        stated = data.imagePath or ""
        picture = pictures.find(name, stated)
        if picture is None:
            hint = pictures.pictures.spelling_hint(stated)
            raise InputError(f'its picture "{stated}" is not here', where=name, hint=hint)
        image = picture.path
        if picture.how:
            notes.add(f"picture found {picture.how}", f"{name}: {stated}")
        return LabelmePicture(annotated(data, image, name, notes), notes)
    except BoxlessError as error:
        return LabelmePicture(error.entry(), notes)
    except InputError as error:
        with suppress(InputError):
            image = pictures.called(name, stated) or image
        return LabelmePicture(Unreadable(image, name, error), notes)


def read_file(path: Path, image: str, annotation: str, notes: Tally) -> AnnotatedImage:
    """The JSON of a picture that a list names.

    Raises:
        InputError: the file is absent, malformed, no LabelMe's, or a shape is broken.
    """
    data = decode(path, annotation)
    if data is None:
        raise InputError('not LabelMe\'s JSON: it has no "shapes"', where=annotation)
    stated = stem_of((data.imagePath or "").replace("\\", "/").rpartition("/")[2])
    if stated not in ("", stem_of(image.rpartition("/")[2])):
        notes.add("imagePath names another picture (the list's is used)", annotation)
    return annotated(data, image, annotation, notes)


FORMAT = Format(
    LabelmeSource,
    read,
    needs=lambda source: [source.folder, *filter(None, [source.only])],
    layout=LAYOUT,
    recognise=recognise,
)
FILE = AnnotationFile(".json", read_file, looks_like, stated_name)
