"""A picture's XML: ``<annotation>`` with ``<size>`` and an ``<object>`` a box.

What tools make of it is understood as well: ``<objects>`` around the objects (FAIR1M), other
capitals, LabelMe's ``<imagesize>``. An element that may hold boxes and is not understood is
refused, so that no picture becomes a background by a tag's spelling.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import numpy as np
from lxml import etree

from ssd_data.core.errors import InputError
from ssd_data.core.files.inside import read_bytes
from ssd_data.core.notes import Tally
from ssd_data.core.structures import NO_BOXES, AnnotatedImage, Boxes, flagged
from ssd_data.data.formats.entities import refuse_entities
from ssd_data.data.formats.numbers import number
from ssd_data.data.formats.pairlists import BoxlessError
from ssd_data.data.formats.pictures import has_picture_ending
from ssd_data.data.formats.voc.objects import (
    ROTATED,
    NoBoxError,
    Parts,
    VocObject,
    lowered,
    number_of,
    parts_of,
    text_of,
)

MAX_BYTES = 64 << 20
# What VOC and tools write beside the objects: plain texts, and what has further elements.
_TEXTS = "folder filename path segmented database annotation image url license verified"
_TEXT = frozenset(_TEXTS.split())
_NESTED = frozenset(("source", "owner", "size", "imagesize", "research"))
_BOXES = """bndbox bbox box boxes boundingbox bounding_box rect rectangle robndbox polygon points
point pt xmin ymin x1 y1 xtl ytl left top cx cy polyline ellipse coordinates object objects"""
_BOX = frozenset(_BOXES.split())
_ROOT = re.compile(rb"<(?:\w+:)?annotation[\s>/]", re.IGNORECASE)
_OTHER_ROOTS = {
    "annotations": "CVAT writes such a file for all pictures of a task: name the folder it lies in",
    "dataset": "dlib's training files are such: convert them to VOC, one XML a picture",
}


def looks_like(head: bytes) -> bool:
    """Whether a file begins as a picture's XML does."""
    return _ROOT.search(head.replace(b"\0", b"")) is not None


def stated_name(path: Path, annotation: str) -> str:
    """The picture's name that a file states; empty where it states none or cannot be read."""
    try:
        return _stated(parts_of(_parse(path, annotation)))
    except InputError:
        return ""


def read_file(path: Path, image: str, annotation: str, notes: Tally) -> AnnotatedImage:
    """One VOC XML file.

    ``<object>`` holds ``<name>``, its box and perhaps ``<difficult>`` in any order; see
    ``objects.py``. ``<part>`` is ignored; coordinates may be fractional. A missing or zero
    ``<size>`` leaves the size open.

    Raises:
        BoxlessError: objects have no box.
        InputError: the file is absent, not well-formed, has entities, a value is not a number, or
            an element that may hold boxes is not understood.
    """
    document = _parse(path, annotation)
    elements, parts = _elements(document, annotation)
    found, lacking = [], []
    for element in elements:
        try:
            found.append(VocObject.read(element, annotation))
        except NoBoxError as error:
            lacking.append(error.sentence)
    objects = [one for one in found if one is not None]
    for one in objects:
        if one.note:
            notes.add(one.note, f"{annotation}:{one.line}")
    if len(objects) < len(found):
        notes.add("object marked as deleted (left out)", annotation)
    if not elements:
        _note_unread(document, annotation, notes)
    width, height = _size(parts, annotation, notes)
    if not _names(_stated(parts), image):
        notes.add("<filename> names another picture (the list's is used)", annotation)
    boxes: Boxes = np.array([o.box for o in objects], np.float32) if objects else NO_BOXES
    read = AnnotatedImage(
        image=image,
        annotation=annotation,
        classes=tuple(o.name for o in objects),
        boxes=boxes,
        difficult=np.array([o.difficult for o in objects], np.bool_),
        width=width,
        height=height,
        places=tuple(o.line for o in objects),
        attributes=flagged("rotated", [o.note == ROTATED for o in objects]),
    )
    if lacking:
        raise BoxlessError(lacking, read)
    return read


def _parse(path: Path, annotation: str) -> etree._Element:
    # A parser is not shared between threads; nothing outside the file is ever fetched.
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,  # they would part the text they stand in
        remove_pis=True,
    )
    data = read_bytes(path, "annotation", MAX_BYTES, annotation)
    if not data.strip():
        raise InputError("the annotation is empty", where=annotation)
    try:
        document = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        raise InputError(
            f"not well-formed XML: {getattr(error, 'msg', error)}", where=f"{annotation}:{line}"
        ) from None
    refuse_entities(document, parser.error_log, annotation)
    return document


def _elements(document: etree._Element, annotation: str) -> tuple[list[etree._Element], Parts]:
    """All ``<object>`` elements, and the first of each other; none that may be one is passed over.

    Raises:
        InputError: the root is another, or an element beside the objects may hold boxes.
    """
    objects, others, odd = _sorted(document)
    if odd or document.tag != "annotation":
        root = str(document.tag)
        if lowered(document).tag != "annotation":
            hint = _OTHER_ROOTS.get(str(document.tag), "")
            where = f"{annotation}:{document.sourceline}"
            raise InputError(
                f"the root element is <{root}>, not <annotation>", where=where, hint=hint
            )
        objects, others, odd = _sorted(document)
        for element in odd:
            if element.tag == "objects":
                objects += _inside(element, annotation)
            elif _may_hold_boxes(element):
                raise _not_understood(element, annotation)
    return objects, others


def _sorted(
    document: etree._Element,
) -> tuple[list[etree._Element], Parts, list[etree._Element]]:
    """The root's ``<object>`` elements, the first of each other, and those that are not known."""
    objects, odd = [], []
    others: dict[object, etree._Element] = {}
    for element in document:
        tag = element.tag
        if tag == "object":
            objects.append(element)
            continue
        others.setdefault(tag, element)
        if tag not in _NESTED and (tag not in _TEXT or len(element)):
            odd.append(element)
    return objects, others, odd


def _inside(objects: etree._Element, annotation: str) -> list[etree._Element]:
    for element in objects:
        if element.tag != "object":
            raise _not_understood(element, annotation)
    return list(objects)


def _may_hold_boxes(element: etree._Element) -> bool:
    """Whether an unknown element has what boxes are made of."""
    return any(e.tag in _BOX or not _BOX.isdisjoint(e.attrib) for e in element.iter())


def _note_unread(document: etree._Element, annotation: str, notes: Tally) -> None:
    """Of a picture without objects: refuse what has four numbers, count what else is unknown.

    Raises:
        InputError: there may be a box all the same.
    """
    for element in _sorted(document)[2]:
        if element.tag == "objects":
            continue
        words = [word for text in element.itertext() for word in re.split(r"[\s,;]+", text)]
        words += [value for inner in element.iter() for value in inner.attrib.values()]
        if sum(number(word) == number(word) for word in words) >= 4:
            raise _not_understood(element, annotation)
        where = f"{annotation}:{element.sourceline}: <{element.tag!s}>"
        notes.add("element that is not read, in a picture without objects", where)


def _not_understood(element: etree._Element, annotation: str) -> InputError:
    return InputError(
        f"the element <{element.tag!s}> is not understood and may hold boxes",
        where=f"{annotation}:{element.sourceline}",
        hint="A box is an <object> with <name> and <bndbox>, right below <annotation>",
    )


def _size(parts: Parts, annotation: str, notes: Tally) -> tuple[int | None, int | None]:
    size, tags = parts.get("size"), ("width", "height")
    if size is None:
        size, tags = parts.get("imagesize"), ("ncols", "nrows")
    if size is None:
        return None, None
    sides = parts_of(size)
    if not all(tag in sides for tag in tags):
        return None, None
    values = [
        int(number_of(sides[tag], annotation)) if text_of(sides[tag]) or len(sides[tag]) else 0
        for tag in tags
    ]
    if min(values) <= 0:
        notes.add("<size> is zero (the picture's own size is used)", annotation)
        return None, None
    return values[0], values[1]


def _stated(parts: Parts) -> str:
    name = text_of(parts.get("filename"))
    if not name and (source := parts.get("source")) is not None:
        name = text_of(parts_of(source).get("filename"))
    return name


def _names(stated: str, image: str) -> bool:
    """Whether the name that an annotation states may be that of a picture."""
    own = image.rpartition("/")[2]
    stem = own.rpartition(".")[0]
    if not stated or stated == own:
        return True
    names = [text.replace("\\", "/").rpartition("/")[2] for text in (stated, unquote(stated))]
    stems = [name.rpartition(".")[0] if has_picture_ending(name) else name for name in names]
    return stem in (*names, *stems)
