"""What YOLO's lines mean where one line alone cannot tell: judged over all of a source.

Ultralytics writes detections (``class cx cy w h confidence``, with a tracker ``… confidence id``)
and key points into files of the same form as polygons; people write corners where the centre is
expected, or pixels. What is no truth, or no box, is refused for the whole source.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ssd_data.core.errors import InputError
from ssd_data.core.files.spill import Spill
from ssd_data.core.structures import Boxes
from ssd_data.data.formats.yolo.schema import HIGH, LINE, LOW, SLACK

MOST_SUSPECT = 0.05  # of all boxes that may leave their picture before they are looked at
NEARLY_ALL = 0.95
CLOSE = 0.003  # two corners that are meant to be one, or a side that is meant to be straight
_CHUNK = 4096


@dataclass(slots=True)
class Seen:
    """How often something was seen, and where first."""

    count: int = 0
    first: str = ""

    def add(self, where: str) -> None:
        """Count one more."""
        self.count += 1
        self.first = self.first or where

    def merge(self, other: Seen) -> None:
        """Count what was seen behind it."""
        self.count += other.count
        self.first = self.first or other.first

    def __str__(self) -> str:
        """How many lines there are, and where."""
        return f"{self.count} lines, the first at {self.first}" if self.count > 1 else self.first


@dataclass(slots=True)
class LongLines:
    """What the lines of more than seven numbers have in common.

    Attributes:
        seen: how many there are.
        length: how many numbers all of them have; 0 where they differ.
        flags: whether behind a box each third number is 0, 1 or 2, as key points have it.
        held: whether all points behind a box lie in it, as key points do.
    """

    seen: Seen = field(default_factory=Seen)
    length: int = 0
    flags: bool = True
    held: bool = True

    def add(self, values: list[float], where: str) -> None:
        """Look at one more; lengths that differ are enough to know that they are polygons."""
        self.seen.add(where)
        if self.seen.count == 1:
            self.length = len(values)
        if len(values) != self.length:
            self.length = 0
        if self.length:
            self.flags = self.flags and _has_flags(values)
            single = len(values) == 8
            self.held = self.held and _holds(values[1:5], values[5:7] if single else values[5:])

    def merge(self, other: LongLines) -> None:
        """Look at those behind them."""
        if other.seen.count:
            same = not self.seen.count or self.length == other.length
            self.length = other.length if same else 0
            self.flags, self.held = self.flags and other.flags, self.held and other.held
        self.seen.merge(other.seen)

    def points(self) -> tuple[int, int] | None:
        """How many key points they have, and values a point; None where they have none."""
        if self.length < 8:
            return None
        count = (self.length - 5) // 3
        if self.flags and (count > 1 or self.held):
            return count, 3
        if self.held and self.length % 2 and self.length >= 11 and self.seen.count >= 5:
            return (self.length - 5) // 2, 2
        return None


@dataclass(slots=True)
class Evidence:
    """What speaks for a meaning of all lines.

    Attributes:
        lines: how many there are.
        far: those with a value that is no fraction.
        flagged: those that are fractions only if each third number is none, as of key points.
        scores: those whose sixth number is none, but not whole.
        sevens: those of seven numbers; ids: those of them that end with a whole one.
        turned: those of four corners that make a parallelogram, no side straight; straight:
            with straight sides.
        long: those of more than seven numbers.
    """

    lines: int = 0
    far: Seen = field(default_factory=Seen)
    flagged: Seen = field(default_factory=Seen)
    scores: Seen = field(default_factory=Seen)
    sevens: Seen = field(default_factory=Seen)
    ids: Seen = field(default_factory=Seen)
    tracks: Seen = field(default_factory=Seen)
    turned: Seen = field(default_factory=Seen)
    straight: Seen = field(default_factory=Seen)
    long: LongLines = field(default_factory=LongLines)
    _plain: Spill[tuple[Boxes, str]] = field(default_factory=Spill)

    def merge(self, other: Evidence) -> None:
        """Take in what the lines behind them have shown."""
        self.lines += other.lines
        for name in ("far", "flagged", "scores", "sevens", "ids", "tracks", "turned", "straight"):
            getattr(self, name).merge(getattr(other, name))
        self.long.merge(other.long)
        for row in other._plain:
            self._plain.append(row)

    def add_boxes(self, boxes: Boxes, label: str) -> None:
        """Take note of a picture's boxes whose lines are five numbers each."""
        if len(boxes):
            self._plain.append((boxes, label))

    def leaves(self, values: list[float], points: bool, where: str) -> bool:
        """Whether a line has a value far from 0 to 1 that no meaning explains."""
        count = len(values)
        if points or count == 6:
            inside = values[1:5]
        elif count % 2 == 0 or (count == 7 and values[-1] > 1 and is_whole(values[-1])):
            inside = values[1:-1]
        else:
            inside = values[1:]
        if all(LOW <= value <= HIGH for value in inside):
            return False
        if _has_flags(values):
            rest = [value for index, value in enumerate(values) if index < 5 or index % 3 != 1]
            if all(LOW <= value <= HIGH for value in rest[1:]):
                self.flagged.add(where)
                return False
        self.far.add(where)
        return True

    def is_box(self, values: list[float], where: str) -> bool:
        """Whether a line of six or more numbers begins with a box; else it is a polygon.

        Raises:
            InputError: it is neither.
        """
        count, whole = len(values), is_whole(values[-1])
        if count == 6:
            if not whole:
                self.scores.add(where)
            return True
        if count == 7:
            self.sevens.add(where)
            if whole:
                self.ids.add(where)
            if values[-1] > HIGH:
                self.tracks.add(where)
            return False
        if count % 2 == 0 and not whole:
            raise InputError(f"{count} numbers are neither a box nor a polygon", where=where)
        if count == 9:
            self._add_corners(values[1:], where)
        self.long.add(values, where)
        return False

    def _add_corners(self, points: list[float], where: str) -> None:
        x, y = points[0::2], points[1::2]
        if max(abs(v[0] + v[2] - v[1] - v[3]) for v in (x, y)) > CLOSE:
            return
        sides = [min(abs(x[i] - x[i - 1]), abs(y[i] - y[i - 1])) for i in range(4)]
        (self.straight if max(sides) < CLOSE else self.turned).add(where)

    def judge(self, origin: str, certain: bool = False) -> None:
        """Whether all lines are boxes or polygons, in fractions, of the truth.

        Args:
            origin: the source, for errors.
            certain: that boxes are centre and sides, whatever they look like.

        Raises:
            InputError: they are something else; the hint says what to do.
        """
        self._refuse_pixels(origin)
        self._refuse_detections(origin)
        self._refuse_points(origin)
        self._refuse_rotated(origin)
        if not certain:
            self._refuse_other_corners(origin)

    def _refuse_pixels(self, origin: str) -> None:
        if self.far.count * 2 > self.lines:
            raise InputError(
                f"the boxes are no fractions: numbers are not between 0 and 1 ({self.far})",
                where=origin,
                hint=f"YOLO's lines are {LINE}, all but the class divided by the picture's width "
                "and height; label xmin ymin xmax ymax in pixels is read with --format flat",
            )

    def _refuse_detections(self, origin: str) -> None:
        tracked = self.tracks.count or (self.ids.count == self.sevens.count >= 3)
        if not self.scores.count and not tracked:
            return
        seen = self.scores if self.scores.count else self.ids
        raise InputError(
            f"these are detections of a net, not the truth: there are confidences ({seen})",
            where=origin,
            hint="Where they are to be the truth, take all behind the fifth number out",
        )

    def _refuse_points(self, origin: str) -> None:
        shape, seen = self.long.points(), self.flagged if self.flagged.count else self.long.seen
        nearly_all = self.long.seen.count >= NEARLY_ALL * self.lines
        if not (self.flagged.count or (shape and nearly_all)):
            return
        points, per = shape or ("", 3)
        what = f"boxes with {points} key points".replace("  ", " ")
        raise InputError(
            f"the lines seem to be {what} behind them ({seen}); read as polygons they would be "
            "other boxes",
            where=origin,
            hint=f"Say so in data.yaml, kpt_shape: [{points or 'points'}, {per}], or take all "
            "behind the fifth number out",
        )

    def _refuse_rotated(self, origin: str) -> None:
        if self.turned.count and self.turned.count + self.straight.count >= NEARLY_ALL * self.lines:
            raise InputError(
                f"these are rotated boxes, by their four corners ({self.turned})",
                where=origin,
                hint=f"An SSD's boxes have straight sides: export them for detection, as {LINE}",
            )

    def _refuse_other_corners(self, origin: str) -> None:
        """Corners, or a corner and sides, where a centre and sides are expected."""
        total, leaving, first = 0, 0, ""
        as_corners = as_sides = True
        for boxes, owners in self._chunks():
            x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
            w, h = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
            outside = np.flatnonzero(((boxes < -SLACK) | (boxes > HIGH)).any(axis=1))
            total, leaving = total + len(boxes), leaving + len(outside)
            first = first or "".join(owners[i] for i in outside[:1])
            as_corners &= bool(((w > x) & (h > y)).all())
            as_sides &= bool(((x + w <= HIGH) & (y + h <= HIGH)).all())
            if not (as_corners or as_sides):
                return
        if leaving < max(2, MOST_SUSPECT * total) or not (as_corners or total >= 10):
            return
        other = "xmin ymin xmax ymax" if as_corners else "xmin ymin w h"
        raise InputError(
            f"the boxes seem to be {other}, not cx cy w h: as cx cy w h, {leaving} of {total} "
            f"leave their pictures (the first in {first}), as {other} none",
            where=origin,
            hint=f"Write {LINE}, the centre and the sides in fractions; if that is what they are, "
            f"say so in data.yaml: line: {LINE}",
        )

    def _chunks(self) -> Iterator[tuple[Boxes, list[str]]]:
        """Some boxes at a time, each with its txt."""
        for at in range(0, len(self._plain), _CHUNK):
            some = self._plain[at : at + _CHUNK]
            owners = [label for boxes, label in some for _ in range(len(boxes))]
            yield np.concatenate([boxes for boxes, _ in some]), owners


def is_whole(value: float) -> bool:
    """Whether a number is a whole one from 0 on, as ids are."""
    return value >= 0 and value % 1 == 0


def _has_flags(values: list[float]) -> bool:
    """Whether behind a box each third number is 0, 1 or 2: whether a key point is visible."""
    return len(values) % 3 == 2 and len(values) > 5 and set(values[7::3]) <= {0, 1, 2}


def _holds(box: list[float], points: list[float]) -> bool:
    """Whether a box lies in the picture and points in the box; those at 0 0 are not visible."""
    x, y, w, h = box
    low, high = (x - w / 2 - SLACK, y - h / 2 - SLACK), (x + w / 2 + SLACK, y + h / 2 + SLACK)
    if min(low) < -2 * SLACK or max(high) > 1 + 2 * SLACK:
        return False
    return all(
        (across == 0 and down == 0) or (low[0] <= across <= high[0] and low[1] <= down <= high[1])
        for across, down in zip(points[0::2], points[1::2], strict=False)
    )
