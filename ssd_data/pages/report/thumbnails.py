"""Records as thumbnails: a small JPEG in the page, boxes drawn over it as outlines."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

from ssd_data.core.boxes import is_empty
from ssd_data.core.drawing import colour
from ssd_data.core.errors import InputError
from ssd_data.core.images import encode, picture_limits
from ssd_data.core.labelmap import LabelMap
from ssd_data.core.structures import Pixels
from ssd_data.data.lmdb.records import Record
from ssd_data.data.lmdb.store import LmdbReader
from ssd_data.data.lmdb.survey import class_name, look
from ssd_data.pages.report.blocks import Chip, Outline, Picture
from ssd_data.pages.report.picks import Pick
from ssd_data.pages.report.subject import Split

SIDE, QUALITY = 400, 75  # of a thumbnail: its longer side, of its JPEG
MOST_OUTLINES, MOST_CHIPS = 400, 8
MARGIN = 0.25  # of a side: how far outside the picture is shown
AROUND, NEAREST = 4.0, 48  # of a view from near: times the box's longer side, and pixels at least

Window = tuple[int, int, int, int]  # x, y, width, height in pixels of the stored picture


def pictures(split: Split, picks: list[Pick], labelmap: LabelMap | None) -> Iterator[Picture]:
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
                yield Picture(name, facts=facts)


def _picture(name: str, record: Record, pick: Pick, labelmap: LabelMap | None) -> Picture:
    pixels = record.decode()
    window = (0, 0, pixels.shape[1], pixels.shape[0])
    # In double, since a hostile box can be as wide as single precision reaches.
    boxes = record.boxes.astype(np.float64) * (window[2:] * 2)
    facts = [f"{pixels.shape[1]} x {pixels.shape[0]}", *pick.why]
    if pick.zoom is not None:
        window = _near(boxes[pick.zoom], window)
        facts.append(f"{window[2]} x {window[3]} pixels around it are shown")
    x, y, width, height = window
    factor = SIDE / max(width, height)
    if pick.zoom is None:
        factor = min(1.0, factor)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    boxes = (boxes - [x, y, x, y]) * ([size[0] / width, size[1] / height] * 2)
    shown = [*visible(boxes, size)]
    if len(shown) > MOST_OUTLINES:
        facts.append(f"the {MOST_OUTLINES} largest of its boxes are drawn")
        shown = shown[:MOST_OUTLINES]
    names = {label: class_name(label, labelmap) for label in record.labels.tolist()}
    outlines = [_outline(boxes[i], record, i, names, i in pick.boxes) for i in shown]
    view = (
        view_of(boxes[shown], size)
        if pick.zoom is None
        else (0.0, 0.0, float(size[0]), float(size[1]))
    )
    uri = to_uri(pixels[y : y + height, x : x + width], size)
    return Picture(name, uri, view, size, outlines, _chips(record, names), facts)


def visible(boxes: npt.NDArray[np.float64], size: tuple[int, int]) -> Iterator[int]:
    """Boxes that can be drawn and are near the picture, the largest first."""
    finite = np.isfinite(boxes).all(1)
    limits = np.array([*size, *size]) * (1 + MARGIN)
    low, high = -MARGIN * np.array(size), limits[:2]
    with np.errstate(invalid="ignore"):
        left = np.minimum(boxes[:, :2], boxes[:, 2:])
        right = np.maximum(boxes[:, :2], boxes[:, 2:])
        near = finite & (left <= high).all(1) & (right >= low).all(1)
        area = (right - left).prod(1)
    rows = np.flatnonzero(near)
    yield from rows[np.argsort(-area[rows], kind="stable")].tolist()


def _outline(
    box: npt.NDArray[np.float64], record: Record, index: int, names: dict[int, str], marked: bool
) -> Outline:
    label = int(record.labels[index])
    # A line far outside is as invisible as one millions of pixels away.
    x0, y0, x1, y1 = box.clip(-10 * SIDE, 10 * SIDE).tolist()
    rect = min(x0, x1), min(y0, y1), abs(x1 - x0), abs(y1 - y0)
    empty = " (empty)" if is_empty(record.boxes[index : index + 1])[0] else ""
    hard = bool(record.difficult[index])
    name = f"{names[label]}{empty}{', difficult' if hard else ''}"
    return Outline(name, to_css(label), rect, hard, marked)


def _chips(record: Record, names: dict[int, str]) -> list[Chip]:
    counts = Counter(record.labels.tolist()).most_common()
    chips = [Chip(names[label], to_css(label), count) for label, count in counts[:MOST_CHIPS]]
    if rest := counts[MOST_CHIPS:]:
        chips.append(Chip(f"{len(rest)} other classes", "none", sum(n for _, n in rest)))
    return chips


def to_css(label: int) -> str:
    """A label's colour."""
    return "#{:02x}{:02x}{:02x}".format(*colour(label))


def view_of(
    boxes: npt.NDArray[np.float64], size: tuple[int, int]
) -> tuple[float, float, float, float]:
    """The picture, and what its boxes reach beyond it, within limits."""
    width, height = size
    if not len(boxes):
        return 0, 0, width, height
    corners = boxes.reshape(-1, 2)
    (left, top), (right, bottom) = corners.min(0), corners.max(0)
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
