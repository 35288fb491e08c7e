"""Boxes and names drawn into a picture, for people to look at.

A box is a bright line on a black one, so that it is seen on any ground; a difficult box is dashed.
A name stands where it hides neither another name nor a box; below the picture all names stand with
their colours in any case.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from ssd_data.core.boxes import is_empty
from ssd_data.core.scene import MARGIN, Colour, Mark, Scene, beyond, colour
from ssd_data.core.structures import Pixels

Rect: TypeAlias = tuple[int, int, int, int]
Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont

SMALLEST, LARGEST, NARROWEST = 480, 4096, 360  # pixels: of the longer side, of the width
LONGEST_NAME, MOST_NAMES, MOST_ROWS = 28, 30, 6
_HIDDEN = 0.3  # of a box: how much of it a name may hide
_GROUND, _FOOTER, _TEXT, _FAINT = (52, 55, 62), (24, 25, 29), (242, 242, 242), (165, 169, 178)
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)


def paint(title: str, pixels: Pixels, scene: Scene) -> Image.Image:
    """A picture with its boxes; RGB.

    Small pictures are enlarged and huge ones shrunk. Where boxes leave the picture, a margin shows
    how far. Boxes that are not finite cannot be drawn; a line below the picture says so.

    Args:
        title: stands below the picture.
        pixels: uint8 (height, width, 3), BGR, or (height, width) gray.
    """
    size = f"{pixels.shape[1]} x {pixels.shape[0]}"
    return _Drawing(title, size, scene, scaled(pixels)).paint()


@dataclass(frozen=True, slots=True)
class _Shape:
    """One box on the canvas; ``rect`` is x0, y0, x1, y1 in pixels, all of them inside the box."""

    mark: Mark
    text: str
    rect: Rect


@dataclass(slots=True)
class _Drawing:
    title: str
    size: str
    scene: Scene
    picture: Image.Image

    @property
    def line(self) -> int:
        return max(2, round(max(self.picture.size) / 350))

    @property
    def text_size(self) -> int:
        return round(9 + max(self.picture.size) / 90)

    def paint(self) -> Image.Image:
        width, height = self.picture.size
        boxes = self.scene.boxes.astype(np.float64) * [width, height, width, height]
        finite = np.isfinite(boxes).all(axis=1)
        left, top, right, bottom = _margins(boxes[finite], width, height)
        size = (max(left + width + right, NARROWEST), top + height + bottom)
        footer = self._footer(size[0], min(self.text_size, size[0] // 24))
        canvas = Image.new("RGB", (size[0], size[1] + footer.height), _GROUND)
        canvas.paste(self.picture, (left, top))
        shapes = self._shapes(boxes + np.array([left, top] * 2), np.flatnonzero(finite), size)
        pen = ImageDraw.Draw(canvas)
        for shape in shapes:
            self._outline(pen, shape)
        self._names(pen, shapes, size)
        canvas.paste(footer, (0, size[1]))
        return canvas

    def _shapes(
        self, boxes: npt.NDArray[np.float64], which: npt.NDArray[np.intp], size: tuple[int, int]
    ) -> list[_Shape]:
        """The boxes that can be drawn, the largest first so that small ones lie on top."""
        # A line just off the canvas is as invisible as one millions of pixels away.
        far = 4 * self.line
        limits = np.array([*size, *size]) + far
        empty = is_empty(self.scene.boxes)
        shapes = []
        for index in which:
            x0, y0, x1, y1 = (round(v) for v in boxes[index].clip(-far, limits).tolist())
            rect = (min(x0, x1), min(y0, y1), max(x0, x1 - 1), max(y0, y1 - 1))
            mark = self.scene.marks[index]
            short = replace(mark, name=_shorten(mark.name)).text
            shapes.append(_Shape(mark, f"{short} (empty)" if empty[index] else short, rect))
        return sorted(shapes, key=lambda s: (s.rect[0] - s.rect[2]) * (s.rect[3] - s.rect[1]))

    def _outline(self, pen: ImageDraw.ImageDraw, shape: _Shape) -> None:
        x0, y0, x1, y1 = shape.rect
        # The line grows outwards and leaves small objects to be seen.
        line = max(1, min(self.line, min(x1 - x0, y1 - y0) // 6))
        ring = (x0 - line, y0 - line, x1 + line, y1 + line)
        black = (ring[0] - 1, ring[1] - 1, ring[2] + 1, ring[3] + 1)
        pen.rectangle(black, outline=_BLACK, width=line + 2)
        if shape.mark.dashed:
            _dash(pen, ring, colour(shape.mark.label), line)
        else:
            pen.rectangle(ring, outline=colour(shape.mark.label), width=line)

    def _names(self, pen: ImageDraw.ImageDraw, shapes: list[_Shape], size: tuple[int, int]) -> None:
        boxes = [shape.rect for shape in shapes]
        placed: list[Rect] = []
        for shape in shapes[:MOST_NAMES]:
            x0, y0, x1, y1 = shape.rect
            small = max(x1 - x0, y1 - y0) < 4 * self.text_size
            text_size = max(12, round(0.65 * self.text_size)) if small else self.text_size
            font, pad = _font(text_size), text_size // 3
            width, height = round(font.getlength(shape.text)) + 2 * pad, round(1.4 * text_size)
            for tag in _places(shape.rect, width, height, self.line, size):
                if _hides(tag, placed, 0) or _hides(tag, boxes, _HIDDEN):
                    continue
                placed.append(tag)
                own, hard = colour(shape.mark.label), shape.mark.dashed
                ground, ink = (_BLACK, _WHITE) if hard else (own, _ink(own))
                pen.rectangle(tag, fill=ground, outline=own if hard else _BLACK)
                pen.text((tag[0] + pad, (tag[1] + tag[3]) / 2), shape.text, ink, font, "lm")
                break

    def _footer(self, width: int, text_size: int) -> Image.Image:
        """Key and size, and below them each class with its colour and the number of its boxes."""
        font, row, half = _font(text_size), round(1.7 * text_size), 0.4 * text_size
        footer = Image.new("RGB", (width, (2 + MOST_ROWS) * row), _FOOTER)
        pen = ImageDraw.Draw(footer)
        room = width - 3 * text_size - font.getlength(self.size)
        pen.text((text_size, row), _fit(self.title, font, room), _TEXT, font, "lm")
        pen.text((width - text_size, row), self.size, _FAINT, font, "rm")
        x, y = float(text_size), 2 * row
        for text, ink in _chips(self.scene):
            length = font.getlength(text) + 3 * half
            if x > text_size and x + length > width - text_size:
                x, y = float(text_size), y + row
            if ink is not None:
                pen.rectangle((x, y - half, x + 2 * half, y + half), fill=ink)
            pen.text((x + (3 * half if ink else 0), y), text, _FAINT, font, "lm")
            x += length + text_size
        return footer.crop((0, row // 4, width, min(y + row * 3 // 4, footer.height)))


def scaled(pixels: Pixels) -> Image.Image:
    """A picture as RGB, in a size at which lines and names can be seen."""
    if pixels.ndim == 3:  # of neither one nor three channels the first one is shown
        pixels = pixels[:, :, ::-1] if pixels.shape[2] == 3 else pixels[:, :, 0]
    picture = Image.fromarray(np.ascontiguousarray(pixels)).convert("RGB")
    longer = max(picture.size)
    factor = -(-SMALLEST // longer) if longer < SMALLEST else min(1, LARGEST / longer)
    width, height = (max(1, round(side * factor)) for side in picture.size)
    return picture if factor == 1 else picture.resize((width, height), Image.Resampling.BICUBIC)


def _margins(boxes: npt.NDArray[np.float64], width: int, height: int) -> Rect:
    """Room left, top, right, bottom of the picture for what lies outside, within limits."""
    most = (MARGIN * width, MARGIN * height) * 2
    left, top, right, bottom = (
        int(min(far + 8, limit)) if far else 0
        for far, limit in zip(beyond(boxes, width, height), most, strict=True)
    )
    return left, top, right, bottom


def _places(box: Rect, width: int, height: int, line: int, size: tuple[int, int]) -> list[Rect]:
    """Where a box's name may stand, the best first: above, below, inside, at its right end."""
    x0, y0, x1, y1 = box
    columns = (min(max(x, 0), size[0] - 1 - width) for x in (x0 - line - 1, x1 + line + 1 - width))
    rows = (y0 - line - 1 - height, y1 + line + 2, max(y0, 0))
    corners = [(x, y) for x in columns for y in rows if x >= 0 and 0 <= y < size[1] - height]
    return [(x, y, x + width, y + height) for x, y in corners]


def _hides(tag: Rect, others: list[Rect], share: float) -> bool:
    """Whether a name would hide more than a share of any of the others."""
    rects = np.array(others, np.int64).reshape(-1, 4)
    low, high = np.maximum(rects[:, :2], tag[:2]), np.minimum(rects[:, 2:], tag[2:])
    hidden = (high - low + 1).clip(0).prod(axis=1)
    return bool((hidden > share * (rects[:, 2:] - rects[:, :2] + 1).prod(axis=1)).any())


def _dash(pen: ImageDraw.ImageDraw, ring: Rect, ink: Colour, line: int) -> None:
    """The outline in dashes; corners are always drawn."""
    x0, y0, x1, y1 = ring
    for a, b in _dashes(x0, x1, 3 + 3 * line):
        pen.rectangle((a, y0, b, y0 + line - 1), fill=ink)
        pen.rectangle((a, y1 - line + 1, b, y1), fill=ink)
    for a, b in _dashes(y0, y1, 3 + 3 * line):
        pen.rectangle((x0, a, x0 + line - 1, b), fill=ink)
        pen.rectangle((x1 - line + 1, a, x1, b), fill=ink)


def _dashes(start: int, end: int, length: int) -> Iterator[tuple[int, int]]:
    # An odd number of pieces begins and ends with a dash.
    pieces = max(1, round((end - start) / length)) | 1
    for index in range(0, pieces, 2):
        first, last = (start + (end - start) * i // pieces for i in (index, index + 1))
        yield first, last


def _ink(ground: Colour) -> Colour:
    """Black or white, whichever is easier to read on the ground."""
    return _BLACK if np.dot(ground, (0.299, 0.587, 0.114)) > 120 else _WHITE


@lru_cache(maxsize=64)
def _font(size: int) -> Font:
    return ImageFont.load_default(size)


def _shorten(text: str) -> str:
    return text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 1]}…"


def _chips(scene: Scene) -> list[tuple[str, Colour | None]]:
    """The footer's entries: text and colour; the classes by the number of their boxes."""
    chips: list[tuple[str, Colour | None]] = [
        (f"{_shorten(chip.name)} {chip.count}", colour(chip.label))
        for chip in scene.legend
        if chip.label is not None
    ]
    if not chips:
        return [("no boxes", None)]
    if hard := sum(mark.dashed for mark in scene.marks):
        chips.append((f"dashed: difficult {hard}", None))
    if unseen := int((~np.isfinite(scene.boxes).all(axis=1)).sum()):
        chips.append((f"not finite, not drawn {unseen}", None))
    return chips


def _fit(text: str, font: Font, room: float) -> str:
    """The text, its beginning cut off where it would not fit."""
    while font.getlength(text) > room and len(text) > 1:
        text = f"…{text[2:]}"
    return text
