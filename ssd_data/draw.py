"""Records and detections drawn into pictures and written as files."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from ssd_data.drawing import Scene, paint
from ssd_data.errors import InputError, OutputError
from ssd_data.labelmap import LabelMap
from ssd_data.parallel import ordered_map
from ssd_data.structures import Detections, Pixels, Record
from ssd_data.survey import Look, class_name, printable

JPEG_QUALITY = 92


def draw(record: Record, labelmap: LabelMap | None = None) -> Image.Image:
    """A record's picture with its boxes, see :func:`ssd_data.drawing.paint`; RGB.

    Raises:
        InputError: the picture does not decode.
    """
    classes = {n: class_name(n, labelmap) for n in set(record.labels.tolist())}
    return paint(
        Scene(
            printable(record.key),
            record.decode(),
            record.labels,
            classes,
            record.boxes,
            record.difficult,
        )
    )


def draw_detections(
    title: str, picture: Pixels, found: Detections, labelmap: LabelMap | None = None
) -> Image.Image:
    """A picture (uint8, BGR) with what was found in it, names and scores; RGB."""
    classes = {n: class_name(n, labelmap) for n in set(found.labels.tolist())}
    none = np.zeros(len(found), np.bool_)
    # The best are named first, and drawn on top.
    return paint(
        Scene(printable(title), picture, found.labels, classes, found.boxes, none, found.scores)
    )


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

    Raises:
        OutputError: the folder cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).unlink(missing_ok=True)
        (folder / name).write_bytes(data)
    except OSError as error:
        raise OutputError(
            f"cannot write the picture: {error.strerror}",
            where=error.filename or folder,
            hint="Choose another folder with --draw, or check free space and permissions",
        ) from None


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
