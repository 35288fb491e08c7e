"""Pictures of records with their boxes and class names drawn in, for people to look at.

Each class has a colour of its own that depends on its label alone. A box is a bright line on a
black one, so that it is seen on any ground; a difficult box is dashed. A name stands where it hides
neither another name nor a box; all names and colours stand below the picture in any case.
"""

from __future__ import annotations

import colorsys
import io
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from ssd_data.boxes import is_empty
from ssd_data.errors import OutputError
from ssd_data.labelmap import LabelMap
from ssd_data.structures import Pixels, Record
from ssd_data.survey import class_name, printable

Colour: TypeAlias = tuple[int, int, int]
Rect: TypeAlias = tuple[int, int, int, int]
_Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont

SMALLEST, LARGEST = 480, 4096  # pixels of the longer side of what is drawn
NARROWEST = 320
JPEG_QUALITY = 92
LONGEST_NAME = 28
_MARGIN = 0.25  # of a side: how much of what lies outside the picture is shown
_GROUND, _FOOTER, _TEXT, _FAINT = (44, 46, 52), (24, 25, 29), (240, 240, 240), (160, 164, 172)
_BLACK = (0, 0, 0)
_GOLDEN = 0.618034
_TONES = ((0.60, 1.0), (0.74, 1.0), (0.50, 0.85))  # lightness, saturation


def colour(label: int) -> Colour:
    """The colour of a label, red green blue 0 to 255; labels that follow each other differ much."""
    # Steps of the golden section never come close to a hue that was there a few labels ago.
    lightness, saturation = _TONES[(label // 5) % len(_TONES)]
    channels = colorsys.hls_to_rgb((label * _GOLDEN + 0.35) % 1, lightness, saturation)
    red, green, blue = (round(255 * c) for c in channels)
    return red, green, blue


def draw(record: Record, labelmap: LabelMap | None = None) -> Image.Image:
    """A record's picture with its boxes; RGB.

    Small pictures are enlarged and huge ones shrunk. Where boxes leave the picture, a margin shows
    how far. Boxes that are not finite are not drawn, which a line below the picture says.

    Raises:
        InputError: the picture does not decode.
    """
    return _Drawing(record, labelmap).paint()


def draw_file(record: Record, labelmap: LabelMap | None = None) -> bytes:
    """What :func:`draw` draws, as the bytes of a JPEG file.

    Raises:
        InputError: the picture does not decode.
    """
    file = io.BytesIO()
    draw(record, labelmap).save(file, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return file.getvalue()


class FileNames:
    """File names from keys: safe whatever the keys hold, and each one only once."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def name(self, key: str, ending: str = ".jpg") -> str:
        """A name of at most 140 characters: letters and digits of ASCII, ``.``, ``-`` and ``_``."""
        stem = key.rpartition(".")[0] or key
        safe = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in stem)
        base = safe.lstrip(".")[:120] or "record"
        name, number = base, 1
        # Some file systems do not tell capitals from small letters.
        while name.lower() in self._given:
            number += 1
            name = f"{base}-{number}"
        self._given.add(name.lower())
        return name + ending


def write_picture(folder: Path, name: str, data: bytes) -> None:
    """Write a drawn picture; a file or link of that name is replaced, not written through.

    Raises:
        OutputError: the folder cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / name
        path.unlink(missing_ok=True)
        with path.open("xb") as file:
            file.write(data)
    except OSError as error:
        raise OutputError(
            f"cannot write the picture: {error.strerror}",
            where=error.filename or folder,
            hint="Choose another folder with --draw, or check free space and permissions",
        ) from None


@dataclass(frozen=True, slots=True)
class _Shape:
    """One box on the canvas, in its pixels; ``rect`` is x0 y0 x1 y1, all inclusive."""

    label: int
    text: str
    rect: Rect
    difficult: bool


class _Drawing:
    def __init__(self, record: Record, labelmap: LabelMap | None) -> None:
        self.record = record
        self.labelmap = labelmap
        self.picture = _scaled(_rgb(record.decode()))
        longer = max(self.picture.size)
        self.font = _font(round(9 + longer / 90))
        self.line = max(2, round(longer / 350))

    def paint(self) -> Image.Image:
        width, height = self.picture.size
        boxes = self.record.boxes.astype(np.float64) * [width, height, width, height]
        finite = np.isfinite(boxes).all(axis=1)
        left, top, right, bottom = _margins(boxes[finite], width, height)
        size = (max(left + width + right, NARROWEST), top + height + bottom)
        footer = _footer(self.record, self.labelmap, int((~finite).sum()), size[0])
        canvas = Image.new("RGB", (size[0], size[1] + footer.height), _GROUND)
        canvas.paste(self.picture, (left, top))
        shapes = self._shapes(boxes + [left, top, left, top], finite, size)
        pen = ImageDraw.Draw(canvas)
        for shape in shapes:
            self._outline(pen, shape)
        self._names(pen, shapes, size)
        canvas.paste(footer, (0, size[1]))
        return canvas

    def _shapes(
        self, boxes: npt.NDArray[np.float64], finite: npt.NDArray[np.bool_], size: tuple[int, int]
    ) -> list[_Shape]:
        """The boxes that can be drawn, the largest first so that small ones lie on top."""
        # A line this far off the canvas is not seen; a hostile box would reach for millions.
        far = 4 * self.line
        empty = is_empty(self.record.boxes)
        shapes = []
        for index in np.flatnonzero(finite):
            x0, y0, x1, y1 = boxes[index]
            x, y = (np.clip(sorted(pair), -far, limit + far) for pair, limit in
                    (((x0, x1), size[0]), ((y0, y1), size[1])))
            rect = [round(float(v)) for v in (x[0], y[0], x[1] - 1, y[1] - 1)]
            label = int(self.record.labels[index])
            text = _shorten(class_name(label, self.labelmap))
            shapes.append(
                _Shape(
                    label,
                    f"{text} (empty)" if empty[index] else text,
                    (rect[0], rect[1], max(rect[0], rect[2]), max(rect[1], rect[3])),
                    bool(self.record.difficult[index]),
                )
            )
        return sorted(shapes, key=lambda shape: -_area(shape.rect))
