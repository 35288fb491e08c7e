"""One ``<object>`` of a picture's XML, as VOC has it and as tools write it.

The box is ``<bndbox>``, its corners found by name. Where CVAT's attribute ``rotation`` (degrees,
clockwise about the centre) turns it, the upright hull is taken; so it is of ``<robndbox>``
(roLabelImg: cx, cy, w, h and an angle in radians, clockwise; DIOR-R: four corners), of FAIR1M's
``<points>`` and of a ``<polygon>`` that has no box. Each is counted.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from lxml import etree

from ssd_data.core.errors import InputError
from ssd_data.data.formats.hull import reach
from ssd_data.data.formats.numbers import FAR, number
from ssd_data.data.formats.voc.schema import CORNERS

ROTATED = "rotated box (its upright hull is taken)"
OUTLINE = "outline without a box (its upright hull is taken)"
NOT_YES_OR_NO = "<difficult> is neither yes nor no (taken as no)"
_YES = frozenset(("1", "1.0", "true", "yes", "y", "t"))
_NO = frozenset(("", "0", "0.0", "false", "no", "n", "f", "none", "unspecified"))
_OUTLINES = ("points", "polygon", "segm")
_AXIS = re.compile(r"([xy])_?(.+)")


class NoBoxError(InputError):
    """That an object has no box, nor anything that one could be told from."""


@dataclass(slots=True)
class VocObject:
    """One box.

    Attributes:
        line: where its element begins.
        box: xmin, ymin, xmax, ymax in pixels, as stated.
        note: what was made of it, for the Tally; empty where it was read as it stands.
    """

    name: str
    line: int
    box: list[float]
    difficult: bool
    note: str

    @classmethod
    def read(cls, element: etree._Element, annotation: str) -> VocObject | None:
        """An object; None where LabelMe has marked it as deleted.

        Raises:
            NoBoxError: it has no box.
            InputError: it has no name or several boxes, or a value is not a number.
        """
        line = int(element.sourceline or 0)
        where = f"{annotation}:{line}"
        parts = parts_of(element)
        if "name" not in parts or "bndbox" not in parts:
            parts = parts_of(lowered(element))
            if text_of(parts.get("deleted")) == "1":
                return None
        if len(parts) < len(element):
            _require_single(element, where)
        name = _name(element, parts, where)
        box, note = _box(parts, annotation, where)
        difficult = text_of(parts.get("difficult"))
        if difficult not in ("0", "1"):
            difficult = difficult.lower()
            if difficult not in _YES and difficult not in _NO:
                note = note or NOT_YES_OR_NO
        return cls(name, line, box, difficult in _YES, note)


Parts: TypeAlias = Mapping[object, etree._Element]


def parts_of(element: etree._Element) -> Parts:
    """The first child of each name; one pass takes as long as one search."""
    found: dict[object, etree._Element] = {}
    for part in element:
        found.setdefault(part.tag, part)
    return found


def text_of(element: etree._Element | None) -> str:
    """An element's text without spaces at its ends; empty without an element."""
    return "" if element is None else (element.text or "").strip()


def lowered(element: etree._Element) -> etree._Element:
    """The same element with all tags in small letters and without namespaces."""
    for inner in element.iter():
        tag = str(inner.tag).rpartition("}")[2]
        inner.tag = tag.lower() if tag.isascii() else tag
    return element


def number_of(element: etree._Element, annotation: str) -> float:
    """The number that an element's text is.

    Raises:
        InputError: it is none, or out of reach.
    """
    text = (element.text or "").strip()
    value = number(text)
    if not abs(value) < FAR or len(element):
        raise _no_number(element, text, annotation)
    return value


def _no_number(element: etree._Element, text: str, annotation: str) -> InputError:
    where = f"{annotation}:{element.sourceline}"
    return InputError(f'<{element.tag!s}> is "{text}", not a number', where=where)


def _require_single(element: etree._Element, where: str) -> None:
    count = sum(1 for _ in element.iterchildren("bndbox"))
    if count > 1:
        raise InputError(f"<object> with {count} <bndbox>", where=where)


def _name(element: etree._Element, parts: Parts, where: str) -> str:
    stated = parts.get("name")
    if stated is not None and len(stated):
        raise InputError("<name> holds other elements", where=where)
    if name := text_of(stated):
        return name
    results = [parts_of(one).get("name") for one in element.iterchildren("possibleresult")]
    names = {text_of(one) for one in results}
    if len(names) > 1:
        raise InputError(f"<object> with {len(results)} possible names", where=where)
    if names <= {""}:
        raise InputError("<object> without a <name>", where=where)
    return names.pop()


def _box(parts: Parts, annotation: str, where: str) -> tuple[list[float], str]:
    """The corners, and what is to be noted of them."""
    bndbox = parts.get("bndbox")
    if bndbox is not None and (len(bndbox) or text_of(bndbox)):
        box = _corners(bndbox, annotation)
        return (box, "") if "attributes" not in parts else _turned(box, _rotation(parts))
    if (turned := parts.get("robndbox")) is not None:
        return _rotated(turned, annotation)
    for tag in _OUTLINES:
        if (outline := parts.get(tag)) is not None:
            return _outline(parts, outline, annotation)
    what = "no <bndbox>" if bndbox is None else "an empty <bndbox>"
    raise NoBoxError(f"<object> with {what}", where=where)


def _corners(bndbox: etree._Element, annotation: str) -> list[float]:
    parts = parts_of(bndbox)
    if not all(tag in parts for tag in CORNERS):
        parts = parts_of(lowered(bndbox))
    for tag in CORNERS:
        if tag not in parts:
            where = f"{annotation}:{bndbox.sourceline}"
            raise InputError(f"<bndbox> without <{tag}>", where=where)
    return [number_of(parts[tag], annotation) for tag in CORNERS]


def _rotation(parts: Parts) -> float:
    """CVAT's attribute in degrees; 0 where there is none."""
    for attribute in parts["attributes"].iterchildren("attribute"):
        inner = parts_of(attribute)
        if text_of(inner.get("name")) == "rotation":
            degrees = number(text_of(inner.get("value")))
            return degrees if abs(degrees) < FAR else 0.0
    return 0.0


def _turned(box: list[float], degrees: float) -> tuple[list[float], str]:
    """The upright hull of a box that is turned about its centre."""
    left, top, right, bottom = box
    if degrees % 180 == 0 or right <= left or bottom <= top:
        return box, ""  # an inverted box is judged as any other
    x, y = (left + right) / 2, (top + bottom) / 2
    across, down = (right - left) / 2, (bottom - top) / 2
    if degrees % 90 == 0:
        return [x - down, y - across, x + down, y + across], ""  # nothing is lost
    across, down = reach(across, down, degrees)
    return [x - across, y - down, x + across, y + down], ROTATED


def _rotated(turned: etree._Element, annotation: str) -> tuple[list[float], str]:
    """The hull of a ``<robndbox>``."""
    parts = parts_of(turned)
    tags = ("cx", "cy", "w", "h", "angle")
    if not all(tag in parts for tag in tags):
        return _hull(_points(turned, annotation), turned, annotation), ROTATED
    x, y, width, height, angle = (number_of(parts[tag], annotation) for tag in tags)
    if abs(angle) > 2 * math.pi + 0.01:
        raise InputError(
            f"<angle> is {angle:g}, which are no radians",
            where=f"{annotation}:{turned.sourceline}",
            hint="A <robndbox> has its angle in radians, clockwise, as roLabelImg writes it",
        )
    box = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
    return _turned(box, math.degrees(angle))


def _outline(parts: Parts, outline: etree._Element, annotation: str) -> tuple[list[float], str]:
    unit = parts.get("coordinate")
    if text_of(unit).lower() not in ("", "pixel", "pixels"):
        assert unit is not None
        where = f"{annotation}:{unit.sourceline}"
        raise InputError(f'<coordinate> is "{text_of(unit)}", not pixel', where=where)
    if (box := parts_of(outline).get("box")) is not None:  # LabelMe's, of a mask
        return _corners(box, annotation), OUTLINE
    points = _points(outline, annotation)
    hull = _hull(points, outline, annotation)
    upright = all(x in hull[::2] and y in hull[1::2] for x, y in points)
    return hull, "" if upright else OUTLINE


def _hull(
    points: Sequence[tuple[float, float]], element: etree._Element, annotation: str
) -> list[float]:
    if len(points) < 2:
        where = f"{annotation}:{element.sourceline}"
        raise InputError(f"<{element.tag!s}> without points", where=where)
    across, down = zip(*points, strict=True)
    return [min(across), min(down), max(across), max(down)]


def _points(element: etree._Element, annotation: str) -> list[tuple[float, float]]:
    """The points of an outline: ``<pt><x/><y/></pt>``, ``<point>x,y</point>`` or ``<x1/><y1/>``."""
    points = []
    axes: dict[str, dict[str, float]] = {"x": {}, "y": {}}
    for inner in element:
        tag = str(inner.tag)
        if tag in ("pt", "point"):
            points.append(_point(inner, annotation))
        elif match := _AXIS.fullmatch(tag):
            axes[match[1]][match[2]] = number_of(inner, annotation)
    if axes["x"].keys() != axes["y"].keys():
        where = f"{annotation}:{element.sourceline}"
        raise InputError(f"<{element.tag!s}> has points without x or y", where=where)
    return points + [(x, axes["y"][key]) for key, x in axes["x"].items()]


def _point(element: etree._Element, annotation: str) -> tuple[float, float]:
    parts = parts_of(element)
    if "x" in parts and "y" in parts:
        return number_of(parts["x"], annotation), number_of(parts["y"], annotation)
    text = text_of(element)
    values = [number(part) for part in text.split(",")]
    if len(values) != 2 or not all(abs(value) < FAR for value in values):
        raise _no_number(element, text, annotation)
    return values[0], values[1]
