"""Records and detections drawn into pictures and written as files."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from ssd_data.core.drawing import paint
from ssd_data.core.errors import InputError, OutputError
from ssd_data.core.files.paths import spelled
from ssd_data.core.files.whole import new_path, write_whole
from ssd_data.core.labelmap import LabelMap
from ssd_data.core.legible import visible
from ssd_data.core.parallel import ordered_map
from ssd_data.core.scene import Scene, to_marks
from ssd_data.core.structures import Detections, Pixels
from ssd_data.data.lmdb.records import Record
from ssd_data.data.lmdb.survey import Look, class_name

JPEG_QUALITY, VIDEO_RATE = 92, 10.0


def draw(record: Record, labelmap: LabelMap | None = None) -> Image.Image:
    """A record's picture with its boxes, see :func:`ssd_data.core.drawing.paint`; RGB.

    Raises:
        InputError: the picture does not decode.
    """
    return paint(visible(record.key), record.decode(), record_scene(record, labelmap))


def record_scene(record: Record, labelmap: LabelMap | None = None) -> Scene:
    """A record's boxes, to be drawn; difficult ones are dashed."""
    name = partial(class_name, labelmap=labelmap)
    return Scene(record.boxes, to_marks(name, record.labels, dashed=record.difficult))


def found_scene(found: Detections, labelmap: LabelMap | None = None) -> Scene:
    """Detections, to be drawn."""
    name = partial(class_name, labelmap=labelmap)
    return Scene(found.boxes, to_marks(name, found.labels, scores=found.scores))


def draw_detections(
    title: str, picture: Pixels, found: Detections, labelmap: LabelMap | None = None
) -> Image.Image:
    """A picture (uint8, BGR) with what was found in it, names and scores; RGB."""
    return paint(visible(title), picture, found_scene(found, labelmap))


def to_jpeg(picture: Image.Image) -> bytes:
    """A picture as the bytes of a JPEG file."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return file.getvalue()


def draw_file(record: Record, labelmap: LabelMap | None = None) -> bytes:
    """What :func:`draw` draws, as the bytes of a JPEG file.

    Raises:
        InputError: the picture does not decode.
    """
    return to_jpeg(draw(record, labelmap))


class DetectionFiles:
    """Writes drawn detections into a folder: a JPEG file a picture, an MP4 file a video.

    Args:
        folder: where to; None draws nothing.
        labelmap: names the classes.
    """

    def __init__(self, folder: Path | None, labelmap: LabelMap | None) -> None:
        self.folder, self.labelmap = folder, labelmap
        self._names = FileNames()
        self._video: cv2.VideoWriter | None = None
        self._writing = ExitStack()  # of the video
        self._source = ""
        self._size = (0, 0)

    def __enter__(self) -> DetectionFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: Any
    ) -> None:
        self._writing.__exit__(kind, error, trace)

    def add(self, name: str, picture: Pixels, found: Detections) -> None:
        """Draw one picture; ``path#number`` names a frame of a video.

        Raises:
            OutputError: the folder cannot be made or written.
        """
        if self.folder is None:
            return
        source, is_frame, _ = name.rpartition("#")
        drawn = draw_detections(name, picture, found, self.labelmap)
        if not is_frame:
            write_picture(self.folder, self._names.name(Path(name).name), to_jpeg(drawn))
            return
        if source != self._source:
            self._writing.close()
            self._open(source, drawn.size)
        assert self._video is not None
        frame = np.asarray(drawn.resize(self._size))[:, :, ::-1]
        self._video.write(np.ascontiguousarray(frame))

    def _open(self, source: str, size: tuple[int, int]) -> None:
        assert self.folder is not None
        self._source, self._size = source, (size[0] // 2 * 2, size[1] // 2 * 2)
        path = self.folder / Path(self._names.name(Path(source).name)).with_suffix(".mp4")
        beside, kind = self._writing.enter_context(new_path(path)), cv2.VideoWriter.fourcc(*"mp4v")
        self._video = cv2.VideoWriter(spelled(beside), kind, VIDEO_RATE, self._size)
        self._writing.callback(self._video.release)
        if not self._video.isOpened():
            raise OutputError("OpenCV cannot write this video", where=path)


class FileNames:
    """File names from keys: safe whatever the keys hold, and none given twice."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def name(self, key: str) -> str:
        """A name of a JPEG file in at most 140 ASCII letters, digits, ``.``, ``-`` and ``_``."""
        folder, _, file = key.rpartition("/")
        stem = file.rpartition(".")[0] or file
        whole = f"{folder}_{stem}" if folder else stem
        safe = "".join(c if c.isascii() and (c.isalnum() or c in ".-") else "_" for c in whole)
        base = safe.lstrip(".-")[:120] or "record"
        name, number = base, 1
        # Some file systems do not tell capitals from small letters.
        while name.lower() in self._given:
            number += 1
            name = f"{base}-{number}"
        self._given.add(name.lower())
        return f"{name}.jpg"


def write_picture(folder: Path, name: str, data: bytes) -> None:
    """Write a drawn picture; a file or link of that name is replaced, not written through.

    There are many, and all can be drawn anew: nothing waits until they are on the disk.

    Raises:
        OutputError: the folder cannot be made or written.
    """
    write_whole(folder / name, data, sync=False)


def draw_all(
    looks: Iterable[Look], folder: Path, labelmap: LabelMap | None, workers: int
) -> Iterator[Look]:
    """Draw each sound record into ``folder``, in threads; yields the looks again, in order.

    A look whose picture does not decode comes back with that error.

    Raises:
        OutputError: the folder cannot be made or written.
    """

    def paint(seen: Look) -> tuple[Look, bytes]:
        if seen.record is None or seen.error is not None:
            return seen, b""
        try:
            return seen, draw_file(seen.record, labelmap)
        except InputError as error:
            return replace(seen, error=error), b""

    names = FileNames()
    for seen, data in ordered_map(paint, looks, workers):
        if data:
            write_picture(folder, names.name(seen.name), data)
        yield seen
