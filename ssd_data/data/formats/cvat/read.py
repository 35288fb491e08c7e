"""CVAT XML 1.1, of images or of a video: https://docs.cvat.ai, "CVAT for images", "CVAT for video".

Boxes are ``xtl ytl xbr ybr`` in pixels, counted from 0. Of a rotated box, a polygon, a mask, an
ellipse and a cuboid the upright box around it is taken; points, polylines, skeletons and tags are
read over; all of it is counted. A shape's attribute ``difficult`` makes it so, ``occluded`` does
not. Each ``<image>`` is a picture, also without shapes. Of a video the pictures that are there are
its frames; boxes that are ``outside`` are none.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ssd_data.core.errors import InputError
from ssd_data.core.notes import Tally
from ssd_data.core.structures import Entry, Unreadable
from ssd_data.data.formats import Format
from ssd_data.data.formats.cvat.document import steps
from ssd_data.data.formats.cvat.images import OpenImage
from ssd_data.data.formats.cvat.meta import Meta, read_head, read_meta
from ssd_data.data.formats.cvat.recognise import indexed, recognise
from ssd_data.data.formats.cvat.schema import IMAGES, CvatPicture, CvatSource, PictureFolder
from ssd_data.data.formats.cvat.tracks import Tracks
from ssd_data.data.formats.cvat.video import frames_of

LAYOUT = """\
annotations.xml       (CVAT for images 1.1, or for video)
images/<name>.jpg     (or images/<subset>/<name>.jpg, or images/frame_<number>.png)"""


def needs(source: CvatSource) -> list[str]:
    """The paths below the root that a source cannot do without."""
    return [source.xml, *filter(None, [source.images, source.only])]


def classes(root: Path, source: CvatSource) -> list[tuple[str, str]]:
    """The labels of the task or project, in the order of their ids; none where it states none."""
    for name in source.files(root):
        if labels := read_head(root / name, name).meta.labels:
            return [(label, label) for label in labels]
    return []


def read(root: Path, source: CvatSource, notes: Tally) -> Iterator[Entry]:
    """The pictures of a source in the order of its files.

    Raises:
        InputError: a file is malformed, or it cannot be told which pictures are meant.
    """
    pictures = PictureFolder(root, source)
    of_all = Tally() if source.first else notes  # what is of no picture is said once
    files = [_File(root, name, source.subset, pictures, of_all) for name in source.files(root)]
    if not files:
        raise InputError("no CVAT file here", where=root / source.xml)
    if not pictures.pictures.paths:
        raise InputError(
            "no picture is here, only annotations",
            where=pictures.pictures.folder,
            hint=f"Export with images from CVAT, or put them into {root / pictures.start / IMAGES}",
        )
    found = [one for file in files for one in file.entries()]
    wanted = [one for one in _each_once(found) if source.subset in ("", one.subset)]
    in_order = any(file.is_video for file in files)
    names = [one.image for one in wanted]
    for index in source.chosen(names, root, in_order=in_order):
        yield wanted[index].entry(notes)


def _each_once(found: list[CvatPicture]) -> Iterator[CvatPicture]:
    """The same, but a picture that stood before is unreadable."""
    seen: dict[str, CvatPicture] = {}
    for one in found:
        first = seen.setdefault(one.image, one)
        yield one if first is one else one._replace(entry=partial(_again, one, first))


def _again(one: CvatPicture, first: CvatPicture, _: Tally) -> Unreadable:
    error = InputError(
        f"{one.image} stands twice (before: {first.where})",
        where=one.where,
        hint="Keep one of the two: a picture is one record",
    )
    return Unreadable(one.image, one.where.rpartition(":")[0], error)


class _File:
    """One CVAT file."""

    def __init__(
        self, root: Path, name: str, wanted: str, pictures: PictureFolder, notes: Tally
    ) -> None:
        self.path, self.name, self.pictures, self.notes = root / name, name, pictures, notes
        self.meta = Meta()
        self.tracks = Tracks(name, wanted, notes)

    @property
    def is_video(self) -> bool:
        """Whether its pictures are a video's frames; known when it has been read."""
        return self.meta.is_video or bool(self.tracks.labels)

    def entries(self) -> Iterator[CvatPicture]:
        """Its pictures."""
        image: OpenImage | None = None
        images = 0
        for kind, element in steps(self.path, self.name):
            if kind == "meta":
                self.meta = read_meta(element)
            elif kind == "open" and element.tag == "image":
                image = OpenImage(element, self.name, self.meta.subset)
                images += 1
            elif kind == "open":
                self.tracks.open(element, self.meta.subset)
            elif kind == "close" and image is not None:
                yield image.finished(self.pictures)
                image = None
            elif kind == "shape" and image is not None:
                image.add(element)
            elif kind == "shape":
                self.tracks.add(element)
        if self.tracks.labels or (self.meta.is_video and not images):
            yield from frames_of(self.tracks, self.meta, self.pictures, self.notes)


FORMAT = Format(
    CvatSource,
    read,
    needs,
    layout=LAYOUT,
    recognise=recognise,
    classes=classes,
    indexed=indexed,
)
