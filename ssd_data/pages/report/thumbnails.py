"""Pictures as thumbnails: a small JPEG in the page, boxes drawn over it as outlines."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from ssd_data.core.boxes import is_empty
from ssd_data.core.errors import InputError
from ssd_data.core.images import encode, picture_limits
from ssd_data.core.labelmap import LabelMap
from ssd_data.core.scene import Chip, Mark, Scene
from ssd_data.core.structures import Pixels
from ssd_data.data.draw import record_scene
from ssd_data.data.lmdb.records import Record
from ssd_data.data.lmdb.store import LmdbReader
from ssd_data.data.lmdb.survey import look
from ssd_data.pages.report.blocks import Thumbnail
from ssd_data.pages.report.picks import Pick
from ssd_data.pages.report.subject import ReportSplit
from ssd_data.pages.svg import Outline, corners, largest_first, outline_all

SIDE, QUALITY = 400, 75  # of a thumbnail: its longer side, of its JPEG
MOST_OUTLINES, FEWER_OUTLINES, MOST_CHIPS = 400, 60, 8
MARGIN = 0.25  # of a side: how far outside the picture is shown
FAR = 10  # sides: where lines end
AROUND, NEAREST = 4.0, 48  # of a view from near: times the box's longer side, and pixels at least

Window = tuple[int, int, int, int]  # x, y, width, height in pixels of the stored picture
View = tuple[float, float, float, float]  # the same of the thumbnail


def of_records(
    split: ReportSplit, picks: list[Pick], labelmap: LabelMap | None
) -> Iterator[Thumbnail]:
    """The picked records; one that cannot be drawn has no picture, and says why."""
    if not picks:
        return
    with LmdbReader(split.path) as reader, picture_limits():
        for pick in picks:
            key, name = split.measures.keys[pick.index], split.measures.names[pick.index]
            try:
                seen = look(key, reader.value(key))
                if seen.error is not None or seen.record is None:
                    raise seen.error or InputError("cannot be read", where=name)
                yield _picture(name, seen.record, pick, labelmap)
            except InputError as error:
                said = any(error.what in why for why in pick.why)
                facts = pick.why if said else [*pick.why, error.what]
                yield Thumbnail(name, facts=facts)


def _picture(name: str, record: Record, pick: Pick, labelmap: LabelMap | None) -> Thumbnail:
    pixels = record.decode()
    window = (0, 0, pixels.shape[1], pixels.shape[0])
    # In double, since a hostile box can be as wide as single precision reaches.
    boxes = record.boxes.astype(np.float64) * (window[2:] * 2)
    facts = [f"{pixels.shape[1]} x {pixels.shape[0]}", *pick.why]
    if pick.zoom is not None:
        window = _near(boxes[pick.zoom], window)
        facts.append(f"{window[2]} x {window[3]} pixels around it are shown")
    x, y, width, height = window
    size = _fit(width, height, SIDE, enlarge=pick.zoom is not None)
    boxes = (boxes - [x, y, x, y]) * ([size[0] / width, size[1] / height] * 2)
    scene = record_scene(record, labelmap)
    marks = [
        replace(mark, note=_note(mark, is_bad), marked=i in pick.boxes)
        for i, (mark, is_bad) in enumerate(zip(scene.marks, is_empty(record.boxes), strict=True))
    ]
    shown = visible(outline_all(marks, boxes, FAR * SIDE), size)
    if len(shown) > MOST_OUTLINES:
        facts.append(f"the {MOST_OUTLINES} largest of its boxes are drawn")
        shown = shown[:MOST_OUTLINES]
    view = view_of(shown, size) if pick.zoom is None else _whole(size)
    uri = to_uri(pixels[y : y + height, x : x + width], size)
    chips = scene.legend[:MOST_CHIPS]
    if rest := scene.legend[MOST_CHIPS:]:
        chips.append(Chip(None, f"{len(rest)} other classes", sum(chip.count for chip in rest)))
    return Thumbnail(name, uri, view, size, shown, chips, facts)


def _note(mark: Mark, is_bad: bool) -> str:
    return f"{' (empty)' if is_bad else ''}{', difficult' if mark.dashed else ''}"


def to_thumbnail(
    title: str,
    pixels: Pixels,
    scene: Scene,
    facts: Sequence[str] = (),
    side: int = SIDE,
    cut: bool = False,
) -> Thumbnail:
    """A thumbnail of at most ``side`` pixels, with the largest of its boxes.

    Args:
        cut: boxes are cut at the picture's edge; else what they reach beyond is shown as well.
    """
    size = _fit(pixels.shape[1], pixels.shape[0], side)
    boxes = scene.boxes.astype(np.float64).reshape(-1, 4) * (size * 2)
    shown = visible(outline_all(scene.marks, boxes, FAR * side), size)[:FEWER_OUTLINES]
    view = _whole(size) if cut else view_of(shown, size)
    shown.sort(key=lambda outline: outline.mark.marked)
    chips = [chip for chip in scene.legend if chip.count][:MOST_CHIPS]
    return Thumbnail(title, to_uri(pixels, size), view, size, shown, chips, facts)


def _fit(width: int, height: int, side: int, enlarge: bool = False) -> tuple[int, int]:
    """The size at which the longer side is ``side``, or less where nothing is enlarged."""
    factor = side / max(width, height)
    if not enlarge:
        factor = min(1.0, factor)
    return max(1, round(width * factor)), max(1, round(height * factor))


def visible(outlines: Sequence[Outline], size: tuple[int, int]) -> list[Outline]:
    """Those that can be drawn and are near the picture, the largest first."""
    drawn, margin = largest_first(outlines), MARGIN * np.array(size)
    boxes = corners(drawn)
    near = (boxes[:, :2] <= size + margin).all(1) & (boxes[:, 2:] >= -margin).all(1)
    return [drawn[i] for i in np.flatnonzero(near)]


def _whole(size: tuple[int, int]) -> View:
    return 0.0, 0.0, float(size[0]), float(size[1])


def view_of(outlines: Sequence[Outline], size: tuple[int, int]) -> View:
    """The picture, and what its boxes reach beyond it, within limits."""
    width, height = size
    if not outlines:
        return 0, 0, width, height
    boxes = corners(outlines)
    (left, top), (right, bottom) = boxes[:, :2].min(0), boxes[:, 2:].max(0)
    x0, y0 = max(min(0, left - 2), -MARGIN * width), max(min(0, top - 2), -MARGIN * height)
    x1, y1 = min(max(width, right + 2), (1 + MARGIN) * width), bottom + 2
    y1 = min(max(height, y1), (1 + MARGIN) * height)
    if min(left, top) > -2 and right < width + 2 and bottom < height + 2:
        return 0, 0, width, height  # what rounding leaves is no reason for a margin
    return float(x0), float(y0), float(x1 - x0), float(y1 - y0)


def _near(box: npt.NDArray[np.float64], whole: Window) -> Window:
    """A square around a box, cut at the picture."""
    x0, y0, x1, y1 = box.tolist()
    side = max(round(AROUND * max(x1 - x0, y1 - y0)), NEAREST)
    width, height = min(side, whole[2]), min(side, whole[3])
    x = min(max(round((x0 + x1 - width) / 2), 0), whole[2] - width)
    y = min(max(round((y0 + y1 - height) / 2), 0), whole[3] - height)
    return x, y, width, height


def to_uri(pixels: Pixels, size: tuple[int, int]) -> str:
    """A JPEG of that width and height, as it can stand in a page."""
    smaller = size[0] < pixels.shape[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_NEAREST
    if pixels.ndim == 3 and pixels.shape[2] not in (1, 3):
        pixels = np.ascontiguousarray(pixels[:, :, 0])
    resized = np.asarray(cv2.resize(pixels, size, interpolation=how), np.uint8)
    data = base64.b64encode(encode(resized, "jpg", QUALITY)).decode("ascii")
    return f"data:image/jpeg;base64,{data}"
