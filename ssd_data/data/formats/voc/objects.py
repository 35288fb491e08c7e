"""One ``<object>`` of a picture's XML, as VOC has it and as tools write it.

The box is ``<bndbox>``, its corners found by name. Where CVAT's attribute ``rotation`` (degrees,
clockwise about the centre) turns it, the upright hull is taken; so it is of ``<robndbox>``
(roLabelImg: cx, cy, w, h and an angle in radians, clockwise; DIOR-R: four corners), of FAIR1M's
``<points>`` and of a ``<polygon>`` that has no box. Each is counted.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from lxml import etree

from ssd_data.core.errors import InputError
from ssd_data.data.formats.numbers import FAR, number
from ssd_data.data.formats.voc.schema import CORNERS

ROTATED = "rotated box (its upright hull is taken)"
OUTLINE = "outline without a box (its upright hull is taken)"
NOT_YES_OR_NO = "<difficult> is neither yes nor no (taken as no)"
_YES = frozenset(("1", "1.0", "true", "yes", "y", "t"))
_NO = frozenset(("", "0", "0.0", "false", "no", "n", "f", "none", "unspecified"))
_OUTLINES = ("points", "polygon", "segm")
_AXIS = re.compile(r"([xy])_?(.+)")


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
            InputError: it has no name or not one box, or a value is not a number.
        """
        line = int(element.sourceline or 0)
        where = f"{annotation}:{line}"
        if child(element, "name") is None or child(element, "bndbox") is None:
            lowered(element)
            if text_of(element, "deleted") == "1":
                return None
        name = _name(element, where)
        box, note = _box(element, annotation, where)
        difficult = text_of(element, "difficult")
        if difficult not in ("0", "1"):
            difficult = difficult.lower()
            if difficult not in _YES and difficult not in _NO:
                note = note or NOT_YES_OR_NO
        return cls(name, line, box, difficult in _YES, note)


def child(element: etree._Element, tag: str) -> etree._Element | None:
    """The first child of that name; ``find`` takes twice as long."""
    return next(element.iterchildren(tag), None)


def text_of(element: etree._Element, tag: str) -> str:
    """The text of the first child of that name, without spaces at its ends; empty without one."""
    found = child(element, tag)
    return "" if found is None else (found.text or "").strip()


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


def _name(element: etree._Element, where: str) -> str:
    name = text_of(element, "name")
    if any(len(one) for one in element.iterchildren("name")):
        raise InputError("<name> holds other elements", where=where)
    if not name:
        results = [text_of(one, "name") for one in element.iterchildren("possibleresult")]
        if len(set(results)) > 1:
            raise InputError(f"<object> with {len(results)} possible names", where=where)
        name = results[0] if results else ""
    if not name:
        raise InputError("<object> without a <name>", where=where)
    return name


def _box(element: etree._Element, annotation: str, where: str) -> tuple[list[float], str]:
    """The corners, and what is to be noted of them."""
    found = list(element.iterchildren("bndbox"))
    if len(found) == 1:
        box = [_corner(found[0], tag, annotation) for tag in CORNERS]
        return _turned(box, _rotation(element))
    if not found:
        if (turned := child(element, "robndbox")) is not None:
            return _rotated(turned, annotation)
        for tag in _OUTLINES:
            if (outline := child(element, tag)) is not None:
                return _outline(element, outline, annotation)
    count = "no" if not found else f"{len(found)}"
    raise InputError(f"<object> with {count} <bndbox>", where=where)


def _corner(bndbox: etree._Element, tag: str, annotation: str) -> float:
    element = child(bndbox, tag)
    if element is None:
        lowered(bndbox)
        element = child(bndbox, tag)
    if element is None:
        raise InputError(f"<bndbox> without <{tag}>", where=f"{annotation}:{bndbox.sourceline}")
    return number_of(element, annotation)


def _rotation(element: etree._Element) -> float:
    """CVAT's attribute in degrees; 0 where there is none."""
    attributes = child(element, "attributes")
    if attributes is None:
        return 0.0
    for attribute in attributes.iterchildren("attribute"):
        if text_of(attribute, "name") == "rotation":
            degrees = number(text_of(attribute, "value"))
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
    sine, cosine = abs(math.sin(math.radians(degrees))), abs(math.cos(math.radians(degrees)))
    across, down = across * cosine + down * sine, across * sine + down * cosine
    return [x - across, y - down, x + across, y + down], ROTATED


def _rotated(turned: etree._Element, annotation: str) -> tuple[list[float], str]:
    """The hull of a ``<robndbox>``."""
    parts = [child(turned, tag) for tag in ("cx", "cy", "w", "h", "angle")]
    if any(part is None for part in parts):
        return _hull(_points(turned, annotation), turned, annotation), ROTATED
    x, y, width, height, angle = (number_of(p, annotation) for p in parts if p is not None)
    if abs(angle) > 2 * math.pi + 0.01:
        raise InputError(
            f"<angle> is {angle:g}, which are no radians",
            where=f"{annotation}:{turned.sourceline}",
            hint="A <robndbox> has its angle in radians, clockwise, as roLabelImg writes it",
        )
    box = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
    return _turned(box, math.degrees(angle))


def _outline(
    element: etree._Element, outline: etree._Element, annotation: str
) -> tuple[list[float], str]:
    unit = text_of(element, "coordinate").lower()
    if unit not in ("", "pixel", "pixels"):
        raise InputError(
            f'<coordinate> is "{unit}", not pixel', where=f"{annotation}:{element.sourceline}"
        )
    inner = child(outline, "box")
    if inner is not None:  # LabelMe's, of a mask
        return [_corner(inner, tag, annotation) for tag in CORNERS], OUTLINE
    return _hull(_points(outline, annotation), outline, annotation), OUTLINE


def _hull(
    points: Iterable[tuple[float, float]], element: etree._Element, annotation: str
) -> list[float]:
    across, down = zip(*points, strict=True) if (points := list(points)) else ((), ())
    if len(across) < 2:
        where = f"{annotation}:{element.sourceline}"
        raise InputError(f"<{element.tag!s}> without points", where=where)
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
    across, down = child(element, "x"), child(element, "y")
    if across is not None and down is not None:
        return number_of(across, annotation), number_of(down, annotation)
    text = (element.text or "").strip()
    values = [number(part) for part in text.split(",")]
    if len(values) != 2 or not all(abs(value) < FAR for value in values):
        raise _no_number(element, text, annotation)
    return values[0], values[1]
