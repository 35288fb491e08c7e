"""The shapes of CVAT, each as a rectangle in pixels, perhaps turned about its middle."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from lxml import etree

from ssd_data.core.errors import InputError
from ssd_data.data.formats.hull import reach
from ssd_data.data.formats.numbers import FAR, number, says_yes

Corners: TypeAlias = tuple[float, float, float, float]
BOXLESS = frozenset({"points", "polyline", "skeleton", "tag"})
UNKNOWN = "<{}>, which is not known, read over"
_CUBOID = [f"{side}{end}" for end in (1, 2) for side in ("tl", "bl", "tr", "br")]


class CvatShape(NamedTuple):
    """A rectangle before it is turned.

    Attributes:
        corners: xmin, ymin, xmax, ymax in pixels.
        rotation: degrees clockwise about the middle.
        is_round: whether it is the ellipse in the rectangle that is turned.
    """

    corners: Corners
    rotation: float = 0.0
    is_round: bool = False


def read_shape(element: etree._Element, where: str) -> CvatShape | None:
    """The shape of an element; None for what has no box.

    Raises:
        InputError: a value is missing or no number.
    """
    reader = _READERS.get(str(element.tag))
    return None if reader is None else reader(element, where)


def remark(tag: str, rotation: float = 0.0) -> str:
    """What is said of a shape that is no plain box; empty for one that is."""
    if tag == "box":
        return "rotated box (the upright box around it is taken)" if rotation else ""
    if tag in KINDS:
        return f"{tag} (the box around it is taken)"
    return f"{tag} read over (it has no box)" if tag in BOXLESS else UNKNOWN.format(tag)


def upright(shape: CvatShape) -> Corners:
    """The corners of the upright box around a shape.

    >>> [round(v, 1) for v in upright(CvatShape((0, 0, 20, 10), 90))]
    [5.0, -5.0, 15.0, 15.0]
    """
    xmin, ymin, xmax, ymax = shape.corners
    if not shape.rotation or xmax < xmin or ymax < ymin:
        return shape.corners
    sides = (xmax - xmin) / 2, (ymax - ymin) / 2
    half = reach(*sides, shape.rotation, is_round=shape.is_round)
    x, y = (xmin + xmax) / 2, (ymin + ymax) / 2
    return x - half[0], y - half[1], x + half[0], y + half[1]


def is_difficult(element: etree._Element) -> bool:
    """Whether an attribute called ``difficult`` (or COCO's ``iscrowd``) of a shape is set."""
    return any(
        (attribute.get("name") or "").lower().replace("_", "") in ("difficult", "iscrowd")
        and says_yes(attribute.text or "")
        for attribute in element.iterchildren("attribute")
    )


def _box(element: etree._Element, where: str) -> CvatShape:
    xtl, ytl, xbr, ybr = (_value(element, key, where) for key in ("xtl", "ytl", "xbr", "ybr"))
    return CvatShape((xtl, ytl, xbr, ybr), _rotation(element, where))


def _ellipse(element: etree._Element, where: str) -> CvatShape:
    cx, cy, rx, ry = (_value(element, key, where) for key in ("cx", "cy", "rx", "ry"))
    return CvatShape((cx - rx, cy - ry, cx + rx, cy + ry), _rotation(element, where), is_round=True)


def _mask(element: etree._Element, where: str) -> CvatShape:
    """CVAT writes a mask's pixels for the box around them only."""
    left, top, width, height = (
        _value(element, key, where) for key in ("left", "top", "width", "height")
    )
    return CvatShape((left, top, left + width, top + height))


def _polygon(element: etree._Element, where: str) -> CvatShape:
    pairs = [pair.split(",") for pair in _stated(element, "points", where).split(";")]
    if not all(len(pair) == 2 for pair in pairs):
        raise InputError('points are not "x,y;x,y;…"', where=where)
    across = [_number(pair[0], "points", where) for pair in pairs]
    down = [_number(pair[1], "points", where) for pair in pairs]
    return CvatShape((min(across), min(down), max(across), max(down)))


def _cuboid(element: etree._Element, where: str) -> CvatShape:
    across = [_value(element, f"x{corner}", where) for corner in _CUBOID]
    down = [_value(element, f"y{corner}", where) for corner in _CUBOID]
    return CvatShape((min(across), min(down), max(across), max(down)))


_READERS: dict[str, Callable[[etree._Element, str], CvatShape]] = {
    "box": _box,
    "polygon": _polygon,
    "mask": _mask,
    "ellipse": _ellipse,
    "cuboid": _cuboid,
}
KINDS = tuple(_READERS)


def _rotation(element: etree._Element, where: str) -> float:
    text = element.get("rotation")
    return _number(text, "rotation", where) if text else 0.0


def _value(element: etree._Element, key: str, where: str) -> float:
    return _number(_stated(element, key, where), key, where)


def _stated(element: etree._Element, key: str, where: str) -> str:
    text = element.get(key)
    if text is None:
        raise InputError(f'<{element.tag!s}> without "{key}"', where=where)
    return text


def _number(text: str, key: str, where: str) -> float:
    value = number(text)
    if not abs(value) < FAR:
        shown = text if len(text) < 40 else f"{text[:40]}…"
        raise InputError(f'"{key}" is "{shown}", not a number', where=where)
    return value
