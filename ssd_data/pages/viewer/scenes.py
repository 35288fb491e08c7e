"""What is drawn of a record: its boxes and detections as rectangles over its picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from ssd_data.core.boxes import is_empty
from ssd_data.core.drawing import colour
from ssd_data.core.labelmap import LabelMap
from ssd_data.core.structures import Flags
from ssd_data.data.lmdb.records import Record
from ssd_data.data.lmdb.survey import Look, class_name, pixel_boxes, printable, remark
from ssd_data.metrics.scores import Floats
from ssd_data.pages.viewer.judged import KINDS, Judged

TRUTH, SEEN, MISSED, DIFFICULT = "truth", "seen", "missed", "difficult"
# How each kind of true box is called where there are detections.
TRUTH_KINDS = {SEEN: "object, found", MISSED: "object, missed", DIFFICULT: "object, difficult"}
MARGIN = 0.2  # of a side: how far outside the picture is shown
FAR = 4.0  # sides of the picture: where a line is as invisible as one millions of pixels away
MOST_MARKS, MOST_TAGS = 3000, 40


@dataclass(frozen=True, slots=True)
class Mark:
    """One rectangle.

    Attributes:
        x, y, width, height: in pixels of the stored picture; NaN: it cannot be drawn.
        label: its class, name: what people call that.
        kind: of which kind it is: "truth", of TRUTH_KINDS, or of detections' KINDS.
        found: whether it is a detection.
        score: of a detection, else None.
        corners: xmin ymin xmax ymax as text, in pixels.
        remark: what is odd about it.
        faint: not what was asked for.
    """

    x: float
    y: float
    width: float
    height: float
    label: int
    name: str
    kind: str
    found: bool = False
    score: float | None = None
    corners: tuple[str, ...] = ()
    remark: str = ""
    difficult: bool = False
    faint: bool = False

    @property
    def colour(self) -> str:
        """Its class's colour."""
        return "#{:02x}{:02x}{:02x}".format(*colour(self.label))

    @property
    def text(self) -> str:
        """Its class, and its score."""
        return self.name if self.score is None else f"{self.name} {self.score:.2f}"

    @property
    def side(self) -> float:
        """The square root of its area."""
        return float(np.sqrt(self.width * self.height))

    @property
    def drawn(self) -> bool:
        """Whether it can be drawn."""
        return bool(np.isfinite(self.x))


@dataclass(frozen=True, slots=True)
class Scene:
    """One record to look at.

    Attributes:
        number: its place in the LMDB, from 0.
        seen: the record as it was found.
        marks: its boxes and detections.
        view: x, y, width and height of what is shown: the picture, and boxes that leave it.
    """

    number: int
    seen: Look
    marks: list[Mark] = field(default_factory=list)
    view: tuple[float, float, float, float] = (0, 0, 4, 3)

    @property
    def fault(self) -> str:
        """What is wrong with the record; empty where nothing is."""
        return printable(self.seen.error.what) if self.seen.error else ""

    @property
    def drawn(self) -> list[Mark]:
        """The marks to draw, the largest first so that small ones lie on top."""
        drawn = (mark for mark in self.marks if mark.drawn)
        return sorted(drawn, key=lambda mark: -mark.width * mark.height)[-MOST_MARKS:]

    @property
    def classes(self) -> list[tuple[int, str, str, int]]:
        """Label, name, colour and number of true boxes of each class, most first."""
        counts: Counter[tuple[int, str, str]] = Counter()
        for mark in self.marks:
            counts[mark.label, mark.name, mark.colour] += not mark.found
        return [(*which, count) for which, count in counts.most_common()]

    @property
    def kinds(self) -> list[tuple[str, str, int]]:
        """Each kind of mark where there are detections: word, what it is, number."""
        counts = Counter(mark.kind for mark in self.marks)
        names = TRUTH_KINDS | KINDS
        return [(kind, names[kind], counts[kind]) for kind in names if counts[kind]]


def make_scene(
    number: int,
    seen: Look,
    labelmap: LabelMap | None,
    wanted: Flags | None = None,
    judged: Judged | None = None,
    score: float | None = None,
    first: int = 0,
) -> Scene:
    """What is drawn of a record.

    Args:
        number: the record's place; first: the place of its first box among all boxes.
        wanted: which of all boxes are asked for, bool (M,); others are drawn faint.
        judged: detections; score: those below it are left out.
    """
    record = seen.record
    if record is None:
        return Scene(number, seen)
    marks = _truth(record, labelmap)
    if wanted is not None:
        mine = wanted[first : first + len(marks)].tolist()
        marks = [replace(mark, faint=not own) for mark, own in zip(marks, mine, strict=True)]
    if judged is not None:
        kinds = _truth_kinds(judged, number, score, first, len(marks))
        marks = [replace(mark, kind=kind) for mark, kind in zip(marks, kinds, strict=True)]
        marks += _found(judged, number, score, record, labelmap)
    return Scene(number, seen, marks, _view(marks, record.width, record.height))


def _truth(record: Record, labelmap: LabelMap | None) -> list[Mark]:
    pixels = pixel_boxes(record).astype(np.float64)
    empty = is_empty(record.boxes)
    return [
        Mark(
            *_rectangle(pixels[i], record.width, record.height),
            label=label,
            name=class_name(label, labelmap),
            kind=TRUTH,
            corners=_corners(pixels[i]),
            remark=remark(record.boxes[i]) if not empty[i] else "without area",
            difficult=bool(record.difficult[i]),
        )
        for i, label in enumerate(record.labels.tolist())
    ]


def _truth_kinds(
    judged: Judged, number: int, score: float | None, first: int, count: int
) -> list[str]:
    """Of each of a record's true boxes whether it is found, missed or does not count."""
    kinds = [DIFFICULT] * count
    mine = slice(*np.searchsorted(judged.truth_record, [number, number + 1]))
    missed = judged.missed(score, mine).tolist()
    for row, lost in zip(judged.truth[mine].tolist(), missed, strict=True):
        kinds[row - first] = MISSED if lost else SEEN
    return kinds


def _found(
    judged: Judged, number: int, score: float | None, record: Record, labelmap: LabelMap | None
) -> Iterable[Mark]:
    start, end = np.searchsorted(judged.record, [number, number + 1]).tolist()
    counted = judged.counted(score, slice(start, end)).tolist()
    for i, counts in enumerate(counted, start):
        if counts:
            label = int(judged.label[i])
            pixels = judged.boxes[i].astype(np.float64) * ([record.width, record.height] * 2)
            yield Mark(
                *_rectangle(pixels, record.width, record.height),
                label=label,
                name=class_name(label, labelmap),
                kind=str(judged.kind[i]),
                found=True,
                score=float(judged.score[i]),
                corners=_corners(pixels),
            )


def _corners(pixels: Floats) -> tuple[str, ...]:
    return tuple(f"{value:.1f}" if abs(value) < 1e7 else f"{value:.3g}" for value in pixels)


def _rectangle(pixels: Floats, width: int, height: int) -> tuple[float, float, float, float]:
    """x, y, width, height; an inverted box is turned round."""
    if not np.isfinite(pixels).all():
        return (np.nan,) * 4
    limits = np.array([width, height] * 2) * FAR
    x0, y0, x1, y1 = pixels.clip(-limits, limits).round(2).tolist()
    return min(x0, x1), min(y0, y1), abs(x1 - x0), abs(y1 - y0)


def _view(marks: Iterable[Mark], width: int, height: int) -> tuple[float, float, float, float]:
    left = top = right = bottom = 0.0
    for mark in marks:
        if mark.drawn and not mark.found:
            left, top = max(left, -mark.x), max(top, -mark.y)
            right = max(right, mark.x + mark.width - width)
            bottom = max(bottom, mark.y + mark.height - height)
    # Less than two pixels is what rounding leaves, and no reason for a margin.
    limits = (MARGIN * width, MARGIN * height) * 2
    left, top, right, bottom = (
        min(far, limit) if far >= 2 else 0.0
        for far, limit in zip((left, top, right, bottom), limits, strict=True)
    )
    return -left, -top, width + left + right, height + top + bottom
