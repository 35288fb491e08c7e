"""The objects of a LabelMe file: its shapes as boxes, parts of one object joined."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ssd_data.core.notes import Tally
from ssd_data.core.structures import NO_BOXES, AnnotatedImage, Boxes, flagged
from ssd_data.data.formats.labelme.schema import LabelmeJson
from ssd_data.data.formats.labelme.shapes import (
    Corners,
    PointlessError,
    is_difficult,
    is_rotated,
    read_shape,
)
from ssd_data.data.formats.pairlists import BoxlessError

JOINED = "shapes of one group_id (joined to one box)"


def annotated(data: LabelmeJson, image: str, annotation: str, notes: Tally) -> AnnotatedImage:
    """A picture with the boxes of its shapes.

    Raises:
        BoxlessError: a shape has no points, and nothing else is broken.
        InputError: a shape is broken.
    """
    pointless: list[str] = []
    objects = _objects(data, annotation, notes, pointless)
    boxes: Boxes = np.array([o.corners for o in objects], np.float32) if objects else NO_BOXES
    if data.flags and any(value is True for value in data.flags.values()):
        notes.add("flags of a whole picture (read over)", annotation)
    found = AnnotatedImage(
        image=image,
        annotation=annotation,
        classes=tuple(o.label for o in objects),
        boxes=boxes,
        difficult=np.array([o.difficult for o in objects], np.bool_),
        width=_side(data.imageWidth),
        height=_side(data.imageHeight),
        places=tuple(o.place for o in objects),
        place_kind="shape",
        attributes=flagged("rotated", [o.rotated for o in objects]),
    )
    if pointless:
        raise BoxlessError(pointless, found)
    return found


@dataclass(slots=True)
class _Object:
    label: str
    corners: Corners
    difficult: bool
    place: int
    rotated: bool


def _objects(
    data: LabelmeJson, annotation: str, notes: Tally, pointless: list[str]
) -> list[_Object]:
    """The objects of a picture; shapes of one label and group are one, at the first's place.

    Args:
        pointless: gets the shapes that have no points.
    """
    found: list[_Object] = []
    groups: dict[tuple[str, str], _Object] = {}
    for place, shape in enumerate(data.shapes or []):
        where = f"{annotation}: shape {place}"
        try:
            corners = read_shape(shape, where, notes)
        except PointlessError as error:
            pointless.append(str(error))
            continue
        if corners is None:
            continue
        one = _Object(str(shape.label), corners, is_difficult(shape), place, is_rotated(shape))
        if shape.group_id is None:
            found.append(one)
            continue
        whole = groups.setdefault((one.label, repr(shape.group_id)), one)
        if whole is one:
            found.append(one)
        else:
            notes.add(JOINED, where)
            first, second = whole.corners, one.corners
            whole.corners = (
                min(first[0], second[0]),
                min(first[1], second[1]),
                max(first[2], second[2]),
                max(first[3], second[3]),
            )
            whole.difficult = whole.difficult or one.difficult
    return found


def _side(value: int | float | None) -> int | None:
    return int(value) if value and 0 < value < 2**31 and value == int(value) else None
