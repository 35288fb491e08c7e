"""A source of JSON lines, and what a line says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from ssd_data.core.errors import InputError
from ssd_data.data.formats import jsonrows
from ssd_data.data.formats.indexes import ListedSource
from ssd_data.data.formats.indexsplits import said_split

MAX_LINE = 16 << 20
ML_USE = "aiplatform.googleapis.com/ml_use"


class JsonLinesSource(ListedSource, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """JSON lines, or the part of their pictures that is of one split.

    Attributes:
        lines: the file below the root.
        attribute: the label attribute of a manifest that is meant, where a line has several.
        split: only the pictures that Vertex AI uses so: ``train``, ``val``, ``test``, or
            ``unassigned``.
    """

    lines: str
    attribute: str = ""
    split: str = ""


class ManifestHead(msgspec.Struct):
    """What a line says of its picture."""

    source_ref: str = msgspec.field(default="", name="source-ref")
    source: str = ""
    gcs: str = msgspec.field(default="", name="imageGcsUri")
    labels: dict[str, str] = msgspec.field(default_factory=dict, name="dataItemResourceLabels")

    @property
    def picture(self) -> str:
        """The picture's address; empty where the line is of none."""
        return self.source_ref or self.gcs

    @property
    def ml_use(self) -> str:
        """What Vertex AI uses the picture for, empty where it chooses."""
        return self.labels.get(ML_USE, "")

    @property
    def split(self) -> str:
        """The same by its meaning."""
        return said_split(self.ml_use)


@dataclass(slots=True)
class Line:
    """What a line says of its picture's objects.

    Attributes:
        boxes: xmin ymin xmax ymax, a row a box; in fractions where ``normalized``.
        width, height: of the picture, 0 where they are not stated.
        unlabelled: why the picture has no annotation; empty where it has one.
        odd: kinds of notes.
    """

    classes: list[str] = field(default_factory=list)
    boxes: list[tuple[float, float, float, float]] = field(default_factory=list)
    width: int = 0
    height: int = 0
    normalized: bool = False
    unlabelled: str = ""
    odd: list[str] = field(default_factory=list)


class LineError(ValueError):
    """A line does not say what it should."""


_decode_head = msgspec.json.Decoder(ManifestHead).decode


def lines_of(path: Path, name: str) -> Iterator[tuple[int, bytes]]:
    """See :func:`ssd_data.data.formats.jsonrows.lines_of`."""
    return jsonrows.lines_of(path, name, "file of JSON lines", MAX_LINE)


def head_of(line: bytes, where: str) -> ManifestHead:
    """What a line says of its picture.

    Raises:
        InputError: it is no JSON object, or of no picture.
    """
    try:
        head = _decode_head(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"not a line of JSON: {error}", where=where) from None
    if not head.picture:
        what = "the picture is in the line itself" if head.source else "the line is of no picture"
        hint = "A line names its picture: source-ref (SageMaker) or imageGcsUri (Vertex AI)"
        raise InputError(what, where=where, hint=hint)
    return head
