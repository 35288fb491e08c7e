"""A CVAT file as a stream: its elements one after the other, memory let go as they pass.

Written by CVAT's ``dataset_manager/formats/cvat.py``; described at
https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias

from lxml import etree

from ssd_data.core.errors import InputError, cure
from ssd_data.core.files.inside import open_regular, read_head
from ssd_data.data.formats.entities import refuse_entities

MAX_BYTES = 4 << 30
HEAD_BYTES = 1 << 16
ROOT = "annotations"
OWNERS = ("image", "track")
Step: TypeAlias = tuple[Literal["open", "meta", "shape", "close"], etree._Element]
_ADVICE = re.compile(r",? (?:try|use) XML_PARSE_HUGE(?: option)?")  # to switch limits off
_FIRST = re.compile(rb"<([A-Za-z_][\w:.-]*)")
_SKIPPED = re.compile(rb"<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>\[]*>", re.DOTALL)
_OURS = re.compile(rb"<(?:image|track|meta|version)[\s/>]")


def is_ours(path: Path) -> bool:
    """Whether a file begins as CVAT's do; only its beginning is read."""
    try:
        head = read_head(path, "XML", MAX_BYTES, HEAD_BYTES)
    except InputError:
        return False
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        head = head.decode("utf-16", "replace").encode()
    head = _SKIPPED.sub(b"", head)
    first = _FIRST.search(head)
    return bool(first and first[1] == ROOT.encode() and _OURS.search(head))


def steps(path: Path, name: str) -> Iterator[Step]:
    """What stands in a file, in its order.

    ``open`` and ``close`` come with an image or track, of which only the attributes are there,
    ``shape`` with each element in one, ``meta`` with what is said of the task or project.

    Raises:
        InputError: the file is absent, not well-formed, has entities, or is no CVAT file.
    """
    with open_regular(path, "annotation", MAX_BYTES, name) as file:
        parser = etree.iterparse(
            _Nameless(file),
            events=("start", "end"),
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
        )
        try:
            if not file.peek(1):  # type: ignore[attr-defined]  # a BufferedReader
                raise InputError("the annotation is empty", where=name)
            yield from _steps(parser, name)
        except etree.XMLSyntaxError as error:
            text = _ADVICE.sub("", error.msg).partition("\n")[0]
            where = f"{name}:{error.lineno or 1}"
            raise InputError(f"not well-formed XML: {text}", where=where) from None
        except OSError as error:
            text = f"cannot read the annotation: {error.strerror}"
            raise InputError(text, where=name, hint=cure(error)) from None


class _Nameless:
    """A file without its name, which lxml would have to be UTF-8."""

    def __init__(self, file: BinaryIO) -> None:
        self.read = file.read


def _steps(parser: etree.iterparse[tuple[str, etree._Element]], name: str) -> Iterator[Step]:
    depth = 0
    owner = False  # whether the element at depth 2 is an image or a track
    typed = False  # whether it names a document type
    for event, element in parser:
        if typed or depth == 0:
            refuse_entities(element, parser.error_log, name)
        if event == "start":
            depth += 1
            if depth == 1:
                _require_sound(element, name)
                typed = element.getroottree().docinfo.internalDTD is not None
            elif depth == 2:
                owner = element.tag in OWNERS
                if owner:
                    yield "open", element
            continue
        if depth == 3 and owner:
            yield "shape", element
            _drop(element)
        elif depth == 2:
            if owner:
                yield "close", element
            elif element.tag == "meta":
                yield "meta", element
            elif element.tag == "version":
                _require_version(element, name)
            _drop(element)
        depth -= 1


def _drop(element: etree._Element) -> None:
    """Let go of an element's inside, and of those before it."""
    element.clear(keep_tail=False)
    parent = element.getparent()
    while parent is not None and element.getprevious() is not None:
        del parent[0]


def _require_sound(root: etree._Element, name: str) -> None:
    if root.tag != ROOT:
        raise InputError(
            f"the root element is <{root.tag!s}>, not <{ROOT}>", where=f"{name}:{root.sourceline}"
        )


def _require_version(element: etree._Element, name: str) -> None:
    version = (element.text or "").strip()
    if not version.startswith("1."):
        raise InputError(
            f'version "{version}" of CVAT\'s XML is not known',
            where=f"{name}:{element.sourceline}",
            hint="Export it as CVAT for images 1.1 or CVAT for video 1.1",
        )
