"""A video's frames as pictures: those that are there, with the boxes of all tracks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

import numpy as np

from ssd_data.core.errors import InputError
from ssd_data.core.notes import Tally
from ssd_data.core.structures import AnnotatedImage, Boxes, flagged
from ssd_data.data.formats.cvat.meta import Meta
from ssd_data.data.formats.cvat.schema import CvatPicture, PictureFolder
from ssd_data.data.formats.cvat.tracks import (
    Column,
    Rows,
    Tracks,
    after,
    between,
    by_frame,
    has_gaps,
    tell,
    upright,
)

EMPTY = "frame without a box (a picture without objects)"
BEYOND = "picture of a frame that is not in the task (left out)"
BY_ORDER = "picture taken for a frame by the order of names (CVAT's file for videos has no names)"


def frames_of(
    tracks: Tracks, meta: Meta, pictures: PictureFolder, notes: Tally
) -> Iterator[CvatPicture]:
    """The frames of a file's tracks, by number.

    Args:
        notes: take what is odd about pictures that are no frames.

    Raises:
        InputError: the frames are not there as pictures.
    """
    rows = tracks.rows()
    subsets = np.array(tracks.subsets, object)
    for subset in dict.fromkeys(subsets.tolist() or [meta.subset]):
        mine = rows
        if (theirs := subsets != subset).any():
            mine = rows[~np.isin(rows["track"], np.flatnonzero(theirs))]
        yield from _Video(tracks, meta, subset, pictures, notes).found(mine)


class _Video:
    """The frames of one subset."""

    def __init__(
        self, tracks: Tracks, meta: Meta, subset: str, pictures: PictureFolder, notes: Tally
    ) -> None:
        self.tracks, self.meta, self.subset = tracks, meta, subset
        self.pictures, self.notes, self.name = pictures, notes, tracks.name
        self.by_order = False  # whether a picture is a frame by the order of names

    def found(self, rows: Rows) -> Iterator[CvatPicture]:
        there = self._there()
        place = next(iter(there.values()), "").rpartition("/")[0]
        numbers = np.array(sorted(there), np.int32)
        rows = self._completed(rows, numbers)
        boxes = upright(rows)
        frames = np.union1d(numbers, rows["frame"])
        starts = np.searchsorted(rows["frame"], frames, "left").tolist()
        ends = np.searchsorted(rows["frame"], frames, "right").tolist()
        for frame, start, end in zip(frames.tolist(), starts, ends, strict=True):
            image = there.get(frame, f"{place}/frame_{frame:06d}.png".lstrip("/"))
            entry = partial(self._entry, image, rows[start:end], boxes[start:end])
            yield CvatPicture(image, self.subset, f"{self.name}: frame {frame}", entry)

    def _entry(self, image: str, rows: Rows, boxes: Boxes, notes: Tally) -> AnnotatedImage:
        if not len(rows):
            notes.add(EMPTY, image)
        if self.by_order:
            notes.add(BY_ORDER, image)
        tell(rows, self.name, notes)
        return AnnotatedImage(
            image=image,
            annotation=self.name,
            classes=tuple(self.tracks.labels[track] for track in rows["track"].tolist()),
            boxes=boxes,
            difficult=rows["difficult"],
            width=self.meta.width,
            height=self.meta.height,
            places=tuple(rows["line"].tolist()),
            attributes={
                "occluded": rows["occluded"].astype(np.int8),
                **flagged("rotated", (rows["rotation"] != 0) & (rows["kind"] == 0)),
            },
        )

    def _completed(self, rows: Rows, numbers: Column) -> Rows:
        """The boxes in sight, with those of frames that lie between keyframes, by frame."""
        meta = self.meta
        more = [between(rows, numbers, self.name)]
        if rows["keyframe"].all() and (not meta.dumped or has_gaps(rows, meta.step)):
            last = max(rows["frame"].max(initial=0), numbers.max(initial=0))
            stop = int(last) if meta.stop is None else meta.stop
            more.append(after(rows, numbers, stop, self.name))
        return by_frame(rows, *more)

    def _there(self) -> dict[int, str]:
        """The pictures of the task's frames, by number."""
        found = self.pictures.frames(self.subset, self.name) or self._by_order()
        meta = self.meta
        if meta.stop is None:
            return found
        known = range(meta.start, meta.stop + 1, meta.step)
        for number, image in found.items():
            if number not in known:
                self.notes.add(BEYOND, image)
        return {number: image for number, image in found.items() if number in known}

    def _by_order(self) -> dict[int, str]:
        """Pictures as frames by the order of their names, which CVAT sorts them by."""
        images, meta = self.pictures.ordered(self.subset), self.meta
        if meta.is_video or not images or len(images) != meta.count:
            raise self._absent(images)
        if images != sorted(images, key=_naturally):
            raise InputError(
                "which picture is which frame cannot be told: their order by name is not that by "
                "number",
                where=self.name,
                hint="Export the task as CVAT for images 1.1, which names them",
            )
        self.by_order = True
        return dict(enumerate(images))

    def _absent(self, images: list[str]) -> InputError:
        source = self.meta.source if _PLAIN.fullmatch(self.meta.source) else "VIDEO"
        there = f": {len(images)} pictures, none called frame_000000" if images else ""
        return InputError(
            f"the frames of the video are not here as pictures{there}",
            where=self.name,
            hint="Export the task with its images, or extract them: "
            f"ffmpeg -i {source} -fps_mode passthrough -start_number 0 images/frame_%06d.png",
        )


_PLAIN = re.compile(r"[\w-][\w. -]{0,80}")


def _naturally(path: str) -> list[tuple[int, str]]:
    """Sorts ``a2`` before ``a10``."""
    words = re.findall(r"[0-9]{1,18}|[^0-9]+|[0-9]+", path)
    return [(int(w), "") if w.isdecimal() else (-1, w) for w in words]
