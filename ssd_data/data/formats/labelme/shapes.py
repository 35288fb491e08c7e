"""The shapes of LabelMe as boxes in pixels."""

from __future__ import annotations

from math import dist
from typing import TypeAlias

from ssd_data.core.errors import InputError
from ssd_data.core.notes import Tally
from ssd_data.data.formats.labelme.schema import LabelmeShape
from ssd_data.data.formats.numbers import FAR, says_yes

Corners: TypeAlias = tuple[float, float, float, float]
BOXLESS = frozenset({"point", "points", "line", "linestrip"})
TURNED = frozenset({"rotation", "oriented_rectangle"})
KNOWN = frozenset({"rectangle", "circle", "mask", "polygon", "quadrilateral"}) | TURNED
LEFT_OUT = frozenset({"__ignore__", "_background_"})  # of LabelMe's own examples


class PointlessError(InputError):
    """That a shape has a label and nothing else."""


def read_shape(shape: LabelmeShape, where: str, notes: Tally) -> Corners | None:
    """The box around a shape; None, counted, for what has no box.

    A rectangle's points are any two opposite corners, or all four; a circle's are its centre and a
    point of its rim; a mask's are its first and last pixel. Files of old have no ``shape_type``:
    all shapes were polygons.

    Raises:
        PointlessError: it has no points at all.
        InputError: it has no label, or its points are not what its type asks for.
    """
    kind = shape.shape_type or "polygon"
    if shape.label in LEFT_OUT:
        notes.add(f'shape labelled "{shape.label}" (left out)', where)
        return None
    if kind not in KNOWN:
        known = f"{kind} read over (it has no box)"
        notes.add(
            known if kind in BOXLESS else f'shape of the unknown type "{kind}" read over', where
        )
        return None
    if shape.label is None or not str(shape.label).strip():
        raise InputError("a shape without a label", where=where)
    points = shape.points
    if not points:
        raise PointlessError("a shape without points", where=where)
    if not all(len(p) == 2 and all(abs(v) < FAR for v in p) for p in points):
        raise InputError("a shape's points are not pairs of numbers", where=where)
    if kind != "rectangle":
        notes.add(_SAID.get(kind, f"{kind} (the box around it is taken)"), where)
    if kind == "circle":
        return _circle(points, where)
    xmin, ymin = (min(point[axis] for point in points) for axis in (0, 1))
    xmax, ymax = (max(point[axis] for point in points) for axis in (0, 1))
    if kind == "mask":
        return round(xmin), round(ymin), round(xmax) + 1, round(ymax) + 1
    return xmin, ymin, xmax, ymax


_SAID = dict.fromkeys(TURNED, "rotated box (the upright box around it is taken)")


def is_rotated(shape: LabelmeShape) -> bool:
    """Whether it is a rectangle that is turned."""
    return shape.shape_type in TURNED


def is_difficult(shape: LabelmeShape) -> bool:
    """Whether a flag of its own, or X-AnyLabeling's key, calls it difficult."""
    flags = {name.lower(): value for name, value in (shape.flags or {}).items()}
    return _is_set(shape.difficult) or _is_set(flags.get("difficult"))


def _is_set(value: object) -> bool:
    return says_yes(value) if isinstance(value, str) else value in (True, 1)


def _circle(points: list[list[float]], where: str) -> Corners:
    if len(points) != 2:
        raise InputError("a circle is not two points, centre and rim", where=where)
    (x, y), radius = points[0], dist(*points)
    return x - radius, y - radius, x + radius, y + radius
