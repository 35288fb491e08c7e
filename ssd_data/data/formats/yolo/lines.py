"""One txt: a line an object, a class number and a box, a polygon or key points.

``class cx cy w h``; five numbers are a box, an odd number from seven on a polygon (``class x1 y1
x2 y2 …``, its box is taken), with ``kpt_shape`` in ``data.yaml`` a box with key points behind it.
What more there may be, only all lines of a set tell apart: see ``meaning.py``.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from ssd_data.core.errors import InputError
from ssd_data.core.files.inside import read_text
from ssd_data.core.files.paths import listable
from ssd_data.core.notes import Tally
from ssd_data.core.structures import NO_BOXES, AnnotatedImage, Entry, Unreadable
from ssd_data.data.formats.numbers import number
from ssd_data.data.formats.yolo.meaning import Evidence
from ssd_data.data.formats.yolo.names import Classes
from ssd_data.data.formats.yolo.places import Pair
from ssd_data.data.formats.yolo.schema import HIGH, LINE, LOW

MOST_BYTES = 8 << 20
MISSING = "no txt (taken as a picture without objects)"
EMPTY = "empty txt (taken as a picture without objects)"
EMPTY_OF_CVAT = (
    "empty txt (taken as a picture without objects; CVAT's YOLO 1.1 also leaves out all polygons, "
    "masks and rotated boxes)"
)
TWICE = "line stands twice in a txt (taken once)"
POLYGON = "polygon (its box is taken)"
POINTS = "key points (not used)"
SIXTH = "sixth number of a line, whole as a track's id (not used)"
TRACK = "number behind a polygon, whole as a track's id (not used)"
_Corners = tuple[float, float, float, float]


class LabelReader:
    """Reads the txt of a source's pictures, and gathers what their lines may mean.

    Args:
        classes: of the source.
    """

    def __init__(self, classes: Classes) -> None:
        self.classes, self.notes = classes, Tally()
        self.evidence = Evidence()
        self._names: dict[float, str] = {}

    def files(self, item: Pair | Unreadable) -> tuple[str, ...]:
        """See :class:`~ssd_data.data.formats.manyfiles.Reader`."""
        return (item.label,) if isinstance(item, Pair) and item.there else ()

    def fresh(self) -> LabelReader:
        """See :class:`~ssd_data.data.formats.manyfiles.Reader`."""
        return LabelReader(self.classes)

    def merge(self, other: LabelReader) -> None:
        """See :class:`~ssd_data.data.formats.manyfiles.Reader`."""
        self.evidence.merge(other.evidence)

    def read(self, root: Path, item: Pair | Unreadable, notes: Tally) -> Entry:
        """See :class:`~ssd_data.data.formats.manyfiles.Reader`."""
        if isinstance(item, Unreadable):
            return item
        self.notes = notes
        try:
            return self._read(root, item)
        except InputError as error:
            return Unreadable(item.image, item.label, error)

    def _read(self, root: Path, pair: Pair) -> AnnotatedImage:
        """A picture with its boxes.

        Raises:
            InputError: the txt cannot be read, or a line is no object of a known class.
        """
        label = listable(pair.label)  # as it is shown
        if not pair.there:
            self.notes.add(MISSING, listable(pair.image))
            return AnnotatedImage(pair.image, pair.label)
        text = read_text(root / pair.label, "txt", MOST_BYTES, label)
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        odd = "_" in text or not text.isascii()  # float() would take what is no number
        found: dict[tuple[str, _Corners], int] = {}
        plain = True
        for line, row in enumerate(text.split("\n"), 1):
            if not (words := row.split()):
                continue
            self.evidence.lines += 1
            where = f"{label}:{line}"
            values = _numbers(words, where, odd)
            box = _corners(values) if len(values) == 5 else None
            if box is None:
                plain = False
                box = self._other(values, where)
            name = self._names.get(values[0]) or self._name(values[0], where)
            if found.setdefault((name, box), line) != line:
                self.notes.add(TWICE, where)
        if not found:
            of_cvat = self.classes.file.endswith("obj.names")
            self.notes.add(EMPTY_OF_CVAT if of_cvat else EMPTY, label)
        return self._image(pair, found, plain)

    def _image(
        self, pair: Pair, found: dict[tuple[str, _Corners], int], plain: bool
    ) -> AnnotatedImage:
        rows = [box for _, box in found]
        boxes = np.array(rows, np.float32) if rows else NO_BOXES
        if plain:
            self.evidence.add_boxes(boxes, listable(pair.label))
        return AnnotatedImage(
            image=pair.image,
            annotation=pair.label,
            classes=tuple(name for name, _ in found),
            boxes=boxes,
            difficult=np.zeros(len(rows), np.bool_),
            places=tuple(found.values()),
            normalized=True,
            upright=True,
        )

    def _name(self, value: float, where: str) -> str:
        name = self.classes.name(int(value)) if value == int(value) else None
        if name is None:
            raise InputError(
                f"class {value:g}, but {self.classes}", where=where, hint=_cure(value, self.classes)
            )
        self._names[value] = name
        return name

    def _other(self, values: list[float], where: str) -> _Corners:
        """The box of a line that is not five numbers in their range."""
        count, points = len(values), self.classes.columns
        if count < 5:
            raise InputError(f"{count} numbers are not {LINE}", where=where)
        if self.evidence.leaves(values, count == points, where):
            raise InputError(_far(values, count == points), where=where, hint=_FRACTIONS)
        if points:
            if count != points:
                text = f"{count} numbers, but with kpt_shape there are 5 or {points}"
                raise InputError(text, where=where)
            self.notes.add(POINTS, where)
            return _box(values)
        if self.evidence.is_box(values, where):
            self.notes.add(SIXTH, where)  # one that is not whole is refused later
            return _box(values)
        self.notes.add(POLYGON, where)
        if count % 2:
            return _hull(values[1:])
        self.notes.add(TRACK, where)
        return _hull(values[1:-1])


def _numbers(words: list[str], where: str, odd: bool) -> list[float]:
    try:
        values = list(map(number if odd else float, words))
    except ValueError:
        values = [math.nan]
    if not all(map(math.isfinite, values)):
        line = listable(" ".join(words))
        shown = line if len(line) <= 60 else f"{line[:60]}…"
        raise InputError(f'"{shown}" is not {LINE}', where=where, hint=_numbers_cure(words))
    return values


def _numbers_cure(words: list[str]) -> str:
    text = " ".join(words)
    if "," in text:
        return "Numbers are parted by spaces, and have a point"
    if words[0].startswith(("imagesource", "gsd")) or len(words) == 10:
        return "This looks like DOTA's rotated boxes, which are no boxes of an SSD"
    return "A class is its number, counted from 0"


def _corners(values: list[float]) -> _Corners | None:
    """The box of five numbers, if they lie in their range."""
    _, x, y, w, h = values
    if LOW <= x <= HIGH and LOW <= y <= HIGH and LOW <= w <= HIGH and LOW <= h <= HIGH:
        return x - w / 2, y - h / 2, x + w / 2, y + h / 2
    return None


def _box(values: list[float]) -> _Corners:
    x, y, w, h = values[1:5]
    return x - w / 2, y - h / 2, x + w / 2, y + h / 2


def _hull(points: list[float]) -> _Corners:
    across, down = points[0::2], points[1::2]
    return min(across), min(down), max(across), max(down)


def _far(values: list[float], points: bool) -> str:
    inside = values[1:5] if points else values[1:]
    value = next(v for v in inside if not LOW <= v <= HIGH)
    return f"{value:g} is no fraction of a picture's width or height, 0 to 1"


_FRACTIONS = f"A line is {LINE} with all but the class divided by the picture's width and height"


def _cure(value: float, classes: Classes) -> str:
    if value != int(value):
        return f"A line is {LINE}; the class is a whole number and stands first"
    if value < 0:
        return "Classes count from 0: take the line out, or give it its class"
    if not classes.names:
        return ""
    cure = f"Complete {classes.file}, or take the line out"
    if classes.file.endswith("classes.txt"):
        cure += (
            "; labelImg replaces classes.txt with the classes of its last session: look for the "
            "list with which all txt were written"
        )
    return cure
