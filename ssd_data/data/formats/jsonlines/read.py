"""JSON lines, one a picture: SageMaker Ground Truth's manifests and Vertex AI's import files.

A line names its picture by its address in the cloud, of which the end is looked for here. Pictures
whose line has no labels are without annotation. See ``groundtruth.py`` and ``vertex.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import below, listable
from ssd_data.core.notes import Tally
from ssd_data.core.structures import AnnotatedImage, Entry, Unreadable
from ssd_data.data.formats import Format
from ssd_data.data.formats.indexes import ListedFinder
from ssd_data.data.formats.jsonlines import groundtruth, vertex
from ssd_data.data.formats.jsonlines.recognise import indexed, recognise
from ssd_data.data.formats.jsonlines.schema import (
    JsonLinesSource,
    Line,
    LineError,
    head_of,
    lines_of,
)
from ssd_data.data.formats.splits import is_training

LAYOUT = """\
<name>.manifest        (SageMaker Ground Truth: {"source-ref": ..., "<job>": {"annotations": ...}})
<name>.jsonl           (Vertex AI: {"imageGcsUri": ..., "boundingBoxAnnotations": ...})
<picture>.jpg          (or images/<picture>.jpg)"""

UNNAMED = "picture that no line names (left out)"


def needs(source: JsonLinesSource) -> list[str]:
    """The paths below the root that a source cannot do without."""
    return [source.lines, *source.folders()]


def read(root: Path, source: JsonLinesSource, notes: Tally) -> Iterator[Entry]:
    """The pictures of the lines, in their order; then those that no line names.

    Raises:
        InputError: a line is no JSON or of no picture, or none of the pictures is here.
    """
    pictures = _Pictures(root, source, Tally() if source.first else notes)
    wanted = iter(source.chosen([*pictures.paths, *pictures.rest], root, in_order=False))
    at = next(wanted, -1)
    for index, (number, line) in enumerate(pictures.lines()):
        if index != at:
            continue
        at = next(wanted, -1)
        yield _entry(pictures, index, number, line, notes)
    for index in [at, *wanted] if at >= 0 else []:
        image = pictures.rest[index - len(pictures.paths)]
        error = InputError(f"no line is of the picture {image}", where=source.lines)
        yield Unreadable(image, source.lines, error, unannotated=True)


class _Pictures:
    """The pictures of a source's lines.

    Attributes:
        paths: below the root, in the order of the lines that are of the source's split and folder;
            the address where it is not here.
        rest: those that no line names.
        errors: what is wrong with a picture, by its index. found: how it was found.
    """

    def __init__(self, root: Path, source: JsonLinesSource, notes: Tally) -> None:
        self.source, self.path = source, below(root, source.lines)
        self.paths: list[str] = []
        self.errors: dict[int, InputError] = {}
        self.found: dict[int, str] = {}
        self._lines: list[int] = []
        finder = ListedFinder(root, source, source.lines)
        first: dict[str, int] = {}
        for number, line in lines_of(self.path, source.lines):
            where = f"{source.lines}:{number}"
            head = head_of(line, where)
            path, how, error = _found(finder, head.picture, where)
            if (before := first.setdefault(path, number)) != number:
                hint = "Keep one of the two: a picture is one record"
                error = InputError(
                    f"{listable(path)} stands in line {before}, too", where=where, hint=hint
                )
            if source.split and head.split != source.split:
                continue
            if source.takes(path, error is None, notes):
                index = len(self.paths)
                self.paths.append(path)
                self._lines.append(number)
                self.found[index] = how
                if error is not None:
                    self.errors[index] = error
        here = {path for index, path in enumerate(self.paths) if index not in self.errors}
        if self.paths and not here:
            raise next(iter(self.errors.values()))
        named = {*first}
        for other in source.beside:
            others = lines_of(below(root, other), other)
            named |= finder.paths_of(head_of(line, f"{other}:{n}").picture for n, line in others)
        unnamed = list(source.unnamed(finder.pictures, named))
        self.rest = unnamed if source.rest else []
        if not source.rest and (source.beside or is_training(source.split)):
            for path in unnamed:
                notes.add(UNNAMED, path)

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """The lines of the pictures, once more from the file."""
        wanted = iter(self._lines)
        at = next(wanted, 0)
        for number, line in lines_of(self.path, self.source.lines):
            if number == at:
                yield number, line
                at = next(wanted, 0)


def _found(finder: ListedFinder, name: str, where: str) -> tuple[str, str, InputError | None]:
    """A picture's path, how it was found, and what is wrong."""
    try:
        found = finder.find(name, where)
    except InputError as error:
        return name, "", error
    if found is None:
        return name, "", finder.absent(name, where)
    return found.path, found.how, None


def _entry(pictures: _Pictures, index: int, number: int, text: bytes, notes: Tally) -> Entry:
    source, image = pictures.source, pictures.paths[index]
    where = f"{source.lines}:{number}"
    if error := pictures.errors.get(index):
        return Unreadable(image, source.lines, error)
    if how := pictures.found[index]:
        notes.add(f"picture found {how}", f"{where}: {image}")
    try:
        line = _parsed(text, source.attribute)
    except LineError as fault:
        return Unreadable(image, source.lines, InputError(listable(str(fault)), where=where))
    for kind in line.odd:
        notes.add(kind, f"{where}: {image}")
    if line.unlabelled:
        error = InputError(listable(line.unlabelled), where=where)
        return Unreadable(image, source.lines, error, unannotated=True)
    return AnnotatedImage(
        image=image,
        annotation=source.lines,
        classes=tuple(line.classes),
        boxes=np.array(line.boxes, np.float32).reshape(-1, 4),
        difficult=np.zeros(len(line.boxes), np.bool_),
        width=line.width or None,
        height=line.height or None,
        places=(number,) * len(line.boxes),
        normalized=line.normalized,
    )


def _parsed(text: bytes, attribute: str) -> Line:
    try:
        table = msgspec.json.decode(text, type=dict)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise LineError(f"not a line of JSON: {error}") from None
    if "imageGcsUri" in table:
        return vertex.parse(table)
    return groundtruth.parse(table, attribute)


FORMAT = Format(JsonLinesSource, read, needs, layout=LAYOUT, recognise=recognise, indexed=indexed)
