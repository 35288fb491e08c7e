"""The tracks of a video: all shapes as columns, and the boxes of the frames between them.

Between two keyframes a box moves and turns evenly, and by the shorter way; after a track's last
keyframe it stays, unless the keyframe says ``outside`` (CVAT's ``dataset_manager/annotation.py``,
``TrackManager.get_interpolated_shapes``). CVAT writes all frames itself: then nothing is added.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
from lxml import etree

from ssd_data.core.errors import InputError
from ssd_data.core.notes import Tally
from ssd_data.data.formats.cvat.shapes import is_difficult, read_shape

Column = npt.NDArray[Any]
MOST_ADDED = 20_000_000
BETWEEN = "frame between keyframes (its box is interpolated)"
AFTER = "frame after a track's last keyframe (the box stays, as in CVAT)"
TWICE = "frame stands twice in a track (the last counts)"


@dataclass(frozen=True, slots=True)
class TrackBoxes:
    """TrackBoxes of tracks, a row each.

    Attributes:
        track: int64 (N,), which track; frame: int64 (N,), of the video; line: int64 (N,).
        corners: float64 (N, 4), xmin ymin xmax ymax in pixels, not turned; rotation: float64 (N,),
            degrees clockwise.
        is_round, outside, difficult, occluded, keyframe: bool (N,).
    """

    track: Column
    frame: Column
    line: Column
    corners: Column
    rotation: Column
    is_round: Column
    outside: Column
    difficult: Column
    occluded: Column
    keyframe: Column

    def take(self, which: Column) -> TrackBoxes:
        """Those rows only, in that order."""
        return TrackBoxes(*(getattr(self, field.name)[which] for field in fields(self)))

    def with_rows(self, more: TrackBoxes) -> TrackBoxes:
        """These and further ones, by frame, then by track."""
        names = [field.name for field in fields(self)]
        both = TrackBoxes(*(np.concatenate([getattr(self, n), getattr(more, n)]) for n in names))
        return both.take(np.lexsort((both.track, both.frame)))

    def upright(self) -> Column:
        """float32 (N, 4): the upright boxes around them."""
        corners = self.corners
        half = (corners[:, 2:] - corners[:, :2]) / 2
        turned = (self.rotation != 0) & (half >= 0).all(axis=1)
        angle = np.radians(self.rotation)
        sine, cosine = np.abs(np.sin(angle)), np.abs(np.cos(angle))
        across, down = half.T
        straight = np.stack([across * cosine + down * sine, across * sine + down * cosine], axis=1)
        curved = np.stack(
            [np.hypot(across * cosine, down * sine), np.hypot(across * sine, down * cosine)], axis=1
        )
        reach = np.where(self.is_round[:, None], curved, straight)
        middle = (corners[:, 2:] + corners[:, :2]) / 2
        around = np.hstack([middle - reach, middle + reach])
        result: Column = np.where(turned[:, None], around, corners).astype(np.float32)
        return result


class Tracks:
    """Takes the tracks of a file one shape after the other.

    Attributes:
        labels, subsets: of each track.
        notes: what is odd, by subset and frame.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.notes: defaultdict[tuple[str, int], Tally] = defaultdict(Tally)
        self.labels: list[str] = []
        self.subsets: list[str] = []
        self._numbers = {key: array("q") for key in ("track", "frame", "line")}
        self._corners, self._rotation = array("d"), array("d")
        self._flags = {key: array("b") for key in _FLAGS}

    def open(self, track: etree._Element, subset: str) -> None:
        """A new track, of a task in ``subset`` where it does not say its own."""
        label = track.get("label")
        if not label:
            raise InputError("<track> without a label", where=f"{self.name}:{track.sourceline}")
        self.labels.append(label)
        self.subsets.append(track.get("subset") or subset)

    def add(self, element: etree._Element) -> None:
        """A shape of the track that was opened last.

        Raises:
            InputError: a value is missing or no number.
        """
        line = int(element.sourceline or 0)
        where = f"{self.name}:{line}"
        text = element.get("frame", "")
        if not (text.isascii() and text.isdecimal() and len(text) < 10):
            raise InputError(f'"frame" is "{text}", not a number', where=where)
        notes = Tally()
        shape = read_shape(element, where, notes)
        if notes and element.get("outside") != "1":
            self.note(len(self.labels) - 1, int(text), notes)
        if shape is None:
            return
        for key, value in (("track", len(self.labels) - 1), ("frame", int(text)), ("line", line)):
            self._numbers[key].append(value)
        self._corners.extend(shape.corners)
        self._rotation.append(shape.rotation)
        flags = {key: element.get(key) == "1" for key in ("outside", "occluded")}
        flags |= {"is_round": shape.is_round, "difficult": is_difficult(element)}
        flags["keyframe"] = element.get("keyframe", "1") != "0"
        for key, flag in flags.items():
            self._flags[key].append(flag)

    def note(self, track: int, frame: int, notes: Tally) -> None:
        """Notes of a frame that a track is in."""
        self.notes[self.subsets[track], frame].merge(notes)

    def boxes(self) -> TrackBoxes:
        """All shapes, by track, then by frame, each frame once."""
        numbers = {key: np.array(column, np.int64) for key, column in self._numbers.items()}
        flags = {key: np.array(column, np.bool_) for key, column in self._flags.items()}
        found = TrackBoxes(
            corners=np.array(self._corners, np.float64).reshape(-1, 4),
            rotation=np.array(self._rotation, np.float64),
            **numbers,
            **flags,
        )
        found = found.take(np.lexsort((found.frame, found.track)))
        again = (np.diff(found.track) == 0) & (np.diff(found.frame) == 0)
        self._say(found.take(np.flatnonzero(again)), TWICE)
        return found.take(np.append(~again, True)[: len(found.frame)])

    def between(self, boxes: TrackBoxes, wanted: Column) -> TrackBoxes:
        """The boxes of wanted frames that lie between two of a track.

        Args:
            boxes: by track, then by frame. wanted: int64, sorted.
        """
        first = np.flatnonzero((np.diff(boxes.track) == 0) & ~boxes.outside[:-1])
        which, frames = _spread(boxes, first, wanted, boxes.frame[first + 1], self.name)
        start, end = boxes.take(which), boxes.take(which + 1)
        part = (frames - start.frame) / np.maximum(end.frame - start.frame, 1)
        turn = (end.rotation - start.rotation + 180) % 360 - 180
        moved = start.corners + (end.corners - start.corners) * part[:, None]
        return self._say(_moved(start, frames, moved, start.rotation + turn * part), BETWEEN)

    def after(self, boxes: TrackBoxes, wanted: Column, stop: int) -> TrackBoxes:
        """The boxes of wanted frames after each track's last, unless that is outside, to ``stop``.

        Args:
            boxes, wanted: as for :meth:`between`.
        """
        is_last = np.append(np.diff(boxes.track) != 0, True)[: len(boxes.track)]
        last = np.flatnonzero(is_last & ~boxes.outside)
        which, frames = _spread(boxes, last, wanted, np.full(len(last), stop + 1), self.name)
        kept = boxes.take(which)
        return self._say(_moved(kept, frames, kept.corners, kept.rotation), AFTER)

    def _say(self, boxes: TrackBoxes, kind: str) -> TrackBoxes:
        columns = (boxes.track.tolist(), boxes.frame.tolist(), boxes.line.tolist())
        for track, frame, line in zip(*columns, strict=True):
            place = f"{self.name}:{line}: frame {frame}"
            self.notes[self.subsets[track], frame].add(kind, place)
        return boxes


_FLAGS = ("outside", "occluded", "is_round", "difficult", "keyframe")


def has_gaps(boxes: TrackBoxes, step: int) -> bool:
    """Whether frames are left out between two of a track, as where only keyframes are written."""
    followed = (np.diff(boxes.track) == 0) & ~boxes.outside[:-1]
    return bool((np.diff(boxes.frame)[followed] > step).any())


def _spread(
    boxes: TrackBoxes, first: Column, wanted: Column, ends: Column, name: str
) -> tuple[Column, Column]:
    """The rows of ``first``, each once a wanted frame after its own and before its end."""
    low = np.searchsorted(wanted, boxes.frame[first], "right")
    high = np.maximum(np.searchsorted(wanted, ends, "left"), low)
    counts = high - low
    total = int(counts.sum())
    if total > MOST_ADDED:
        raise InputError(f"its tracks make more than {MOST_ADDED} boxes", where=name)
    within = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(first, counts), wanted[np.repeat(low, counts) + within]


def _moved(boxes: TrackBoxes, frames: Column, corners: Column, rotation: Column) -> TrackBoxes:
    flags = {n: getattr(boxes, n) for n in ("is_round", "outside", "difficult", "occluded")}
    return TrackBoxes(
        track=boxes.track,
        frame=frames,
        line=boxes.line,
        corners=corners,
        rotation=rotation,
        keyframe=np.zeros(len(frames), np.bool_),
        **flags,
    )
