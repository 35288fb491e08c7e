"""What is drawn of one record: its boxes, and detections where there are some."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ssd_data.core.boxes import is_empty
from ssd_data.core.labelmap import LabelMap
from ssd_data.core.legible import visible
from ssd_data.core.scene import MARGIN, Mark, Scene, beyond, to_marks
from ssd_data.core.structures import NO_BOXES, Flags
from ssd_data.data.draw import record_scene
from ssd_data.data.lmdb.records import Record
from ssd_data.data.lmdb.survey import Look, class_name, pixel_boxes, remark
from ssd_data.metrics.scores import Floats, Ints
from ssd_data.pages.svg import Outline, corners, largest_first, outline_all
from ssd_data.pages.viewer.judged import KINDS, Judged

TRUTH, SEEN, MISSED, DIFFICULT = "truth", "seen", "missed", "difficult"
# How each kind of true box is called where there are detections.
TRUTH_KINDS = {SEEN: "object, found", MISSED: "object, missed", DIFFICULT: "object, difficult"}
FAR = 4.0  # sides of the picture: where lines end
MOST_MARKS, MOST_TAGS = 3000, 40


@dataclass(frozen=True, slots=True)
class Sight:
    """One record to look at.

    Attributes:
        number: its place in the LMDB, from 0.
        seen: the record as it was found.
        scene: its boxes and detections.
        pixels: float64 (N, 4), the same boxes in pixels of the stored picture.
        outlines: the same to be drawn.
    """

    number: int
    seen: Look
    scene: Scene
    pixels: Floats
    outlines: list[Outline]

    @property
    def fault(self) -> str:
        """What is wrong with the record; empty where nothing is."""
        return visible(self.seen.error.what) if self.seen.error else ""

    @property
    def drawn(self) -> list[Outline]:
        """The outlines to draw, the largest first."""
        return largest_first(self.outlines)[-MOST_MARKS:]

    @property
    def view(self) -> tuple[float, float, float, float]:
        """x, y, width and height of what is shown: the picture, and true boxes that leave it."""
        if self.seen.record is None:
            return 0, 0, 4, 3
        width, height = self.seen.record.width, self.seen.record.height
        true = [o for o in self.outlines if o.is_drawn and o.mark.score is None]
        limits = (MARGIN * width, MARGIN * height) * 2
        reach = beyond(corners(true), width, height)
        left, top, right, bottom = map(min, reach, limits)
        return -left, -top, width + left + right, height + top + bottom

    @property
    def kinds(self) -> list[tuple[str, str, int]]:
        """Each kind of mark where there are detections: word, what it is, number."""
        counts = Counter(mark.kind for mark in self.scene.marks)
        names = TRUTH_KINDS | KINDS
        return [(kind, names[kind], counts[kind]) for kind in names if counts[kind]]

    @property
    def rows(self) -> list[tuple[Outline, list[str]]]:
        """The outlines, all or those that are drawn, with their corners as text."""
        texts = {id(o): _corners(p) for o, p in zip(self.outlines, self.pixels, strict=True)}
        listed = self.outlines if len(self.outlines) <= MOST_MARKS else self.drawn
        return [(outline, texts[id(outline)]) for outline in listed]


def sight_of(
    number: int,
    seen: Look,
    labelmap: LabelMap | None,
    wanted: Flags | None = None,
    judged: Judged | None = None,
    score: float | None = None,
    first: int = 0,
) -> Sight:
    """What is drawn of a record.

    Args:
        number: the record's place; first: the place of its first box among all boxes.
        wanted: which of all boxes are asked for, bool (M,); others are drawn faint.
        judged: detections; score: those below it are left out.
    """
    record = seen.record
    if record is None:
        return Sight(number, seen, Scene(NO_BOXES, []), np.zeros((0, 4)), [])
    marks = _truth(record, labelmap)
    if wanted is not None:
        mine = wanted[first : first + len(marks)].tolist()
        marks = [replace(mark, faint=not own) for mark, own in zip(marks, mine, strict=True)]
    size = np.array([record.width, record.height] * 2)
    boxes, pixels = record.boxes, pixel_boxes(record).astype(np.float64)
    if judged is not None:
        kinds = _truth_kinds(judged, number, score, first, len(marks))
        marks = [replace(mark, kind=kind) for mark, kind in zip(marks, kinds, strict=True)]
        which = _counted(judged, number, score)
        marks += _found(judged, which, labelmap)
        boxes = np.concatenate([boxes, judged.boxes[which]])
        pixels = np.concatenate([pixels, judged.boxes[which].astype(np.float64) * size])
    outlines = outline_all(marks, pixels.round(2), size * FAR)
    return Sight(number, seen, Scene(boxes, marks), pixels, outlines)


def _truth(record: Record, labelmap: LabelMap | None) -> list[Mark]:
    rows = zip(
        record_scene(record, labelmap).marks, record.boxes, is_empty(record.boxes), strict=True
    )
    return [
        replace(mark, kind=TRUTH, note="without area" if no_area else remark(box))
        for mark, box, no_area in rows
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


def _counted(judged: Judged, number: int, score: float | None) -> Ints:
    """Which detections of a record are drawn."""
    start, end = np.searchsorted(judged.record, [number, number + 1]).tolist()
    return np.arange(start, end)[judged.counted(score, slice(start, end))]


def _found(judged: Judged, which: Ints, labelmap: LabelMap | None) -> list[Mark]:
    name = partial(class_name, labelmap=labelmap)
    marks = to_marks(name, judged.label[which], scores=judged.score[which])
    kinds = judged.kind[which].tolist()
    return [
        replace(mark, kind=kind, counted=False) for mark, kind in zip(marks, kinds, strict=True)
    ]


def _corners(pixels: Floats) -> list[str]:
    return [f"{value:.1f}" if abs(value) < 1e7 else f"{value:.3g}" for value in pixels]
