"""Pascal VOC: one XML a picture, lists of picture names in ``ImageSets/Main``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
from lxml import etree

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import below, read_bytes, read_lines
from ssd_data.core.notes import Tally
from ssd_data.core.structures import NO_BOXES, AnnotatedImage, Boxes, Entry
from ssd_data.data.formats import AnnotationFile, Format, Recognised, lists
from ssd_data.data.formats.numbers import FAR, number
from ssd_data.data.formats.voc.schema import ANNOTATIONS, CORNERS, IMAGES, SETS, set_file

LAYOUT = """\
<folder>/ImageSets/Main/<split>.txt    names without ending, one a line
<folder>/JPEGImages/<name>.jpg
<folder>/Annotations/<name>.xml"""
MAX_BYTES = 64 << 20


class VocSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A list of pictures in a VOC tree.

    Attributes:
        folder: the tree's below the root, such as ``VOC2007``; empty for the root itself.
        set: the list's name.
        images, annotations: where these folders are called otherwise.
    """

    folder: str = ""
    set: str
    images: str = IMAGES
    annotations: str = ANNOTATIONS

    def path(self, inside: str) -> str:
        """A path in the tree as one below the root."""
        return f"{self.folder}/{inside}" if self.folder else inside


def recognise(folder: Path) -> Recognised[VocSource] | None:
    """The lists of ``ImageSets/Main`` that are splits, not a class's list (``cat_train.txt``)."""
    names = folder / SETS / "Main"
    if not names.is_dir() or not (folder / ANNOTATIONS).is_dir():
        return None
    stems = [path.stem for path in sorted(names.glob("*.txt"))]
    splits = {stem: [VocSource(set=stem)] for stem in stems if "_" not in stem}
    return Recognised(splits, f"{SETS}/Main has its lists") if splits else None


def needs(source: VocSource) -> list[str]:
    """The paths below the root that a source cannot do without."""
    return [source.path(p) for p in (set_file(source.set), source.images, source.annotations)]


def read(root: Path, source: VocSource, notes: Tally) -> Iterator[Entry]:
    """The pictures of one list, in its order."""
    images, annotations = source.path(source.images), source.path(source.annotations)
    name = source.path(set_file(source.set))
    known = _pictures(below(root, images))
    for index, line in enumerate(read_lines(below(root, name), "list"), 1):
        if line.strip():
            stem, image = _find(line.strip(), known)
            annotation = f"{annotations}/{stem}.xml"
            yield lists.entry(root, f"{images}/{image}", annotation, f"{name}:{index}", notes)


def _pictures(folder: Path) -> dict[str, str]:
    """The files of a folder and its subfolders, stem to name; absent pictures are met later."""
    start = len(f"{folder}/")
    files = (f"{place}/{name}"[start:] for place, _, names in os.walk(folder) for name in names)
    named = (file for file in files if "." in file.rpartition("/")[2][1:])
    return {name.rpartition(".")[0]: name for name in sorted(named, reverse=True)}


def _find(line: str, known: dict[str, str]) -> tuple[str, str]:
    """Stem and file name of a list's line; lists of a class carry a flag behind the name."""
    for stem in (line, line.split(maxsplit=1)[0]):
        if stem in known:
            return stem, known[stem]
    return line, f"{line}.jpg"


def read_file(path: Path, image: str, annotation: str, notes: Tally) -> AnnotatedImage:
    """One VOC XML file.

    ``<object>`` holds ``<name>``, ``<bndbox>`` and perhaps ``<difficult>`` in any order; ``<part>``
    is ignored; coordinates may be fractional. A missing or zero ``<size>`` leaves the size open.

    Raises:
        InputError: the file is absent, not well-formed, has entities, or a value is not a number.
    """
    document = _parse(path, annotation)
    if document.tag != "annotation":
        raise InputError(
            f"the root element is <{document.tag!s}>, not <annotation>", where=f"{annotation}:1"
        )
    objects = [_Object(element, annotation) for element in document.iterchildren("object")]
    width, height = _size(document, annotation, notes)
    stated = _text(document, "filename")
    if stated and stated.rpartition(".")[0] not in (Path(image).stem, "") and stated != image:
        notes.add("<filename> names another picture (the list's is used)", annotation)
    boxes: Boxes = np.array([o.box for o in objects], np.float32) if objects else NO_BOXES
    return AnnotatedImage(
        image=image,
        annotation=annotation,
        classes=tuple(o.name for o in objects),
        boxes=boxes,
        difficult=np.array([o.difficult for o in objects], np.bool_),
        width=width,
        height=height,
        places=tuple(o.line for o in objects),
    )


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
    docinfo = document.getroottree().docinfo
    if docinfo.internalDTD is not None and any(True for _ in docinfo.internalDTD.iterentities()):
        raise InputError("the XML declares entities, which are refused", where=f"{annotation}:1")
    return document


def _size(document: etree._Element, annotation: str, notes: Tally) -> tuple[int | None, int | None]:
    size = _child(document, "size")
    if size is None:
        return None, None
    values = []
    for tag in ("width", "height"):
        element = _child(size, tag)
        if element is None:
            return None, None
        values.append(int(_number(element, annotation)))
    if min(values) <= 0:
        notes.add("<size> is zero (the picture's own size is used)", annotation)
        return None, None
    return values[0], values[1]


class _Object:
    """One ``<object>``: its name, line, box and ``<difficult>``."""

    def __init__(self, element: etree._Element, annotation: str) -> None:
        self.line = int(element.sourceline or 0)
        where = f"{annotation}:{self.line}"
        self.name = _text(element, "name")
        if any(len(name) for name in element.iterchildren("name")):
            raise InputError("<name> holds other elements", where=where)
        if not self.name:
            raise InputError("<object> without a <name>", where=where)
        found = list(element.iterchildren("bndbox"))
        if len(found) != 1:
            count = "no" if not found else f"{len(found)}"
            raise InputError(f"<object> with {count} <bndbox>", where=where)
        self.box = [_corner(found[0], tag, annotation) for tag in CORNERS]
        self.difficult = _text(element, "difficult") == "1"


def _child(element: etree._Element, tag: str) -> etree._Element | None:
    """The first child of that name; ``find`` takes twice as long."""
    return next(element.iterchildren(tag), None)


def _text(element: etree._Element, tag: str) -> str:
    child = _child(element, tag)
    return "" if child is None else (child.text or "").strip()


def _corner(bndbox: etree._Element, tag: str, annotation: str) -> float:
    element = _child(bndbox, tag)
    if element is None:
        raise InputError(f"<bndbox> without <{tag}>", where=f"{annotation}:{bndbox.sourceline}")
    return _number(element, annotation)


def _number(element: etree._Element, annotation: str) -> float:
    text = (element.text or "").strip()
    value = number(text)
    if not abs(value) < FAR or len(element):
        raise InputError(
            f'<{element.tag!s}> is "{text}", not a number',
            where=f"{annotation}:{element.sourceline}",
        )
    return value


FORMAT = Format(VocSource, read, needs, layout=LAYOUT, recognise=recognise)
FILE = AnnotationFile(".xml", read_file)
