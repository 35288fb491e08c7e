"""The tracks of a video: all shapes as columns, and the boxes of the frames between them.

Between two keyframes a box moves and turns evenly, and by the shorter way; after a track's last
keyframe it stays, unless the keyframe says ``outside`` (CVAT's ``dataset_manager/annotation.py``,
``TrackManager.get_interpolated_shapes``). CVAT writes all frames itself: then nothing is added.
"""

from __future__ import annotations

from struct import Struct
from typing import Any

import numpy as np
import numpy.typing as npt
from lxml import etree

from ssd_data.core.errors import InputError
from ssd_data.core.notes import Tally
from ssd_data.core.structures import Boxes
from ssd_data.data.formats.cvat.shapes import KINDS, is_difficult, read_shape, remark

Column = npt.NDArray[Any]
Rows = npt.NDArray[np.void]
MOST_ADDED = 10_000_000
STATED, BETWEEN, AFTER = range(3)
SAID = (
    "",
    "frame between keyframes (its box is interpolated)",
    "frame after a track's last keyframe (the box stays, as in CVAT)",
)
TWICE = "frame stands twice in a track (the last counts)"

# A box of a track: its corners are pixels before it is turned, by degrees clockwise.
_NUMBERS = [("track", "<i4"), ("frame", "<i4"), ("line", "<i4")]
_BOX: list[Any] = [("corners", "<f4", 4), ("rotation", "<f4"), ("kind", "u1"), ("made", "u1")]
_FLAGS = ("outside", "occluded", "difficult", "keyframe")
ROW = np.dtype([*_NUMBERS, *_BOX, *((name, "?") for name in _FLAGS)])
_pack = Struct("<iii4ffBB????").pack


class Tracks:
    """Takes the tracks of a file one shape after the other.

    Attributes:
        labels, subsets: of each track.
        wanted: the subset whose shapes without a box are counted in ``notes``; empty for all.
    """

    def __init__(self, name: str, wanted: str, notes: Tally) -> None:
        self.name, self.wanted, self.notes = name, wanted, notes
        self.labels: list[str] = []
        self.subsets: list[str] = []
        self._rows = bytearray()

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
        line, tag = int(element.sourceline or 0), str(element.tag)
        where = f"{self.name}:{line}"
        shape = read_shape(element, where)
        if shape is None:
            if self.wanted in ("", self.subsets[-1]):
                self.notes.add(remark(tag), where)
            return
        text = element.get("frame", "")
        if not (text.isascii() and text.isdecimal() and len(text) < 10):
            raise InputError(f'"frame" is "{text}", not a number', where=where)
        self._rows += _pack(
            len(self.labels) - 1,
            int(text),
            line,
            *shape.corners,
            shape.rotation,
            KINDS.index(tag),
            STATED,
            element.get("outside") == "1",
            element.get("occluded") == "1",
            is_difficult(element),
            element.get("keyframe") != "0",
        )

    def rows(self) -> Rows:
        """All boxes, by track, then by frame, each frame once. To be asked for once."""
        found: Rows = np.frombuffer(self._rows, ROW)
        self._rows = bytearray()
        steps = np.diff(found["frame"])
        if (steps[np.diff(found["track"]) == 0] < 0).any():  # the tracks are in order
            found = found[np.lexsort((found["frame"], found["track"]))]
        again = (np.diff(found["track"]) == 0) & (np.diff(found["frame"]) == 0)
        if not again.any():
            return found
        for line in found["line"][:-1][again]:
            self.notes.add(TWICE, f"{self.name}:{line}")
        kept: Rows = found[np.append(~again, True)]
        return kept


def has_gaps(rows: Rows, step: int) -> bool:
    """Whether frames are left out between two of a track, as where only keyframes are written."""
    return bool((np.diff(rows["frame"])[_followed(rows)] > step).any())


def between(rows: Rows, wanted: Column, name: str) -> Rows:
    """The boxes of wanted frames that lie between two of a track.

    Args:
        rows: by track, then by frame. wanted: frames, sorted. name: the file's, for the error.

    Raises:
        InputError: there are too many.
    """
    first = np.flatnonzero(_followed(rows))
    which, frames = _spread(rows, first, wanted, rows["frame"][first + 1], name)
    start, end = rows[which], rows[which + 1]
    part = (frames - start["frame"]) / np.maximum(end["frame"] - start["frame"], 1)
    moved = end["corners"].astype(np.float64) - start["corners"]
    turned = (end["rotation"].astype(np.float64) - start["rotation"] + 180) % 360 - 180
    start["corners"] += moved * part[:, None]
    start["rotation"] += turned * part
    start["frame"], start["made"] = frames, BETWEEN
    return start


def after(rows: Rows, wanted: Column, stop: int, name: str) -> Rows:
    """The boxes of wanted frames after each track's last, unless that is outside, to ``stop``.

    Args:
        rows, wanted, name: as for :func:`between`.

    Raises:
        InputError: there are too many.
    """
    is_last = np.append(np.diff(rows["track"]) != 0, True)[: len(rows)]
    last = np.flatnonzero(is_last & ~rows["outside"])
    which, frames = _spread(rows, last, wanted, np.full(len(last), stop + 1), name)
    kept = rows[which]
    kept["frame"], kept["made"] = frames, AFTER
    return kept


def by_frame(*parts: Rows) -> Rows:
    """Those that are not outside, by frame, then by track."""
    found = np.concatenate([part[~part["outside"]] for part in parts])
    return found[np.lexsort((found["track"], found["frame"]))]


def upright(rows: Rows) -> Boxes:
    """float32 (N, 4): the upright boxes around them."""
    boxes: Boxes = rows["corners"].copy()
    turned = np.flatnonzero(
        (rows["rotation"] != 0) & (boxes[:, 2] >= boxes[:, 0]) & (boxes[:, 3] >= boxes[:, 1])
    )
    corners = boxes[turned].astype(np.float64)
    across, down = ((corners[:, 2:] - corners[:, :2]) / 2).T
    angle = np.radians(rows["rotation"][turned].astype(np.float64))
    sine, cosine = np.abs(np.sin(angle)), np.abs(np.cos(angle))
    pairs = ((across * cosine, down * sine), (across * sine, down * cosine))
    is_round = rows["kind"][turned] == KINDS.index("ellipse")
    reach = np.stack([np.where(is_round, np.hypot(*pair), sum(pair)) for pair in pairs], axis=1)
    middle = (corners[:, 2:] + corners[:, :2]) / 2
    boxes[turned] = np.hstack([middle - reach, middle + reach])
    return boxes


def tell(rows: Rows, name: str, notes: Tally) -> None:
    """Count what is odd about the boxes of a frame."""
    for row in rows[(rows["kind"] > 0) | (rows["made"] > 0) | (rows["rotation"] != 0)]:
        place = f"{name}:{row['line']}"
        if row["made"]:
            notes.add(SAID[row["made"]], f"{place}: frame {row['frame']}")
        elif said := remark(KINDS[row["kind"]], row["rotation"]):
            notes.add(said, place)


def _followed(rows: Rows) -> Column:
    """Which rows but the last are of an object that is in sight up to the next row, bool (N-1,)."""
    followed: Column = (np.diff(rows["track"]) == 0) & ~rows["outside"][:-1]
    return followed


def _spread(
    rows: Rows, first: Column, wanted: Column, ends: Column, name: str
) -> tuple[Column, Column]:
    """The rows of ``first``, each once a wanted frame after its own and before its end."""
    low = np.searchsorted(wanted, rows["frame"][first], "right")
    high = np.maximum(np.searchsorted(wanted, ends, "left"), low)
    counts = high - low
    total = int(counts.sum())
    if total > MOST_ADDED:
        raise InputError(f"its tracks make more than {MOST_ADDED} boxes", where=name)
    within = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(first, counts), wanted[np.repeat(low, counts) + within]
