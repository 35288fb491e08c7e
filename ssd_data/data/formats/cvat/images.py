"""One ``<image>`` of a CVAT file as a picture with its boxes."""

from __future__ import annotations

from functools import partial

import numpy as np
from lxml import etree

from ssd_data.core.errors import InputError
from ssd_data.core.notes import Tally
from ssd_data.core.structures import NO_BOXES, AnnotatedImage, Boxes, Entry, Unreadable, flagged
from ssd_data.data.formats.cvat.schema import CvatPicture, PictureFolder
from ssd_data.data.formats.cvat.shapes import Corners, is_difficult, read_shape, remark, upright


class OpenImage:
    """An ``<image>`` while its shapes are read.

    Attributes:
        subset: that it is in.
        notes: what is odd about it.
    """

    def __init__(self, element: etree._Element, name: str, subset: str) -> None:
        self.annotation, self.notes = name, Tally()
        self.where = f"{name}:{element.sourceline}"
        self.name = (element.get("name") or "").strip()
        self.subset = element.get("subset") or subset
        self.width, self.height = (_side(element, key) for key in ("width", "height"))
        self.error: InputError | None = None
        self._classes: list[str] = []
        self._corners: list[Corners] = []
        self._difficult: list[bool] = []
        self._occluded: list[bool] = []
        self._rotated: list[bool] = []
        self._lines: list[int] = []

    def add(self, element: etree._Element) -> None:
        """A shape; the first that is broken makes the picture unreadable."""
        line = int(element.sourceline or 0)
        where = f"{self.annotation}:{line}"
        try:
            shape = read_shape(element, where)
            if said := remark(str(element.tag), shape.rotation if shape else 0):
                self.notes.add(said, where)
            if shape is None:
                return
            if not (label := element.get("label")):
                raise InputError(f"<{element.tag!s}> without a label", where=where)
        except InputError as error:
            self.error = self.error or error
            return
        self._classes.append(label)
        self._corners.append(upright(shape))
        self._difficult.append(is_difficult(element) if len(element) else False)
        self._rotated.append(bool(shape.rotation) and not shape.is_round)
        self._occluded.append(element.get("occluded") == "1")
        self._lines.append(line)

    def finished(self, pictures: PictureFolder) -> CvatPicture:
        """The picture.

        Raises:
            InputError: the image has no name: nobody can say which picture is meant.
        """
        if not self.name:
            raise InputError("<image> without a name", where=self.where)
        entry = self._entry(pictures)
        return CvatPicture(entry.image, self.subset, self.where, partial(_told, entry, self.notes))

    def _entry(self, pictures: PictureFolder) -> Entry:
        try:
            picture = pictures.find(self.name, self.subset, self.where)
        except InputError as error:
            return Unreadable(self.name, self.annotation, error)
        if picture.how:
            self.notes.add(f"picture found {picture.how}", f"{self.where}: {self.name}")
        if self.error is not None:
            return Unreadable(picture.path, self.annotation, self.error)
        boxes: Boxes = np.array(self._corners, np.float32) if self._corners else NO_BOXES
        return AnnotatedImage(
            image=picture.path,
            annotation=self.annotation,
            classes=tuple(self._classes),
            boxes=boxes,
            difficult=np.array(self._difficult, np.bool_),
            width=self.width,
            height=self.height,
            places=tuple(self._lines),
            attributes={
                "occluded": np.array(self._occluded, np.int8),
                **flagged("rotated", self._rotated),
            },
        )


def _told(entry: Entry, own: Tally, notes: Tally) -> Entry:
    notes.merge(own)
    return entry


def _side(element: etree._Element, key: str) -> int | None:
    text = element.get(key, "")
    return (int(text) or None) if text.isascii() and text.isdecimal() and len(text) < 10 else None
