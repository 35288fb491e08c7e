"""Pixels with boxes as a picture of a page, where they come from no record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ssd_data.core.labelmap import LabelMap
from ssd_data.core.structures import Boxes, Pixels
from ssd_data.data.lmdb.survey import class_name
from ssd_data.pages.report.blocks import Chip, Outline, Picture
from ssd_data.pages.report.thumbnails import MOST_CHIPS, to_css, to_uri, view_of, visible

MOST_OUTLINES = 60


@dataclass(slots=True)
class Scene:
    """What is drawn of a picture.

    Attributes:
        boxes: xmin, ymin, xmax, ymax, fractions of the picture.
        labels, names: of each box; the name is shown where one points at it.
        dashed, marked: boxes of that kind, by their place.
        counted: boxes that the legend counts; None counts all.
    """

    boxes: Boxes
    labels: Sequence[int]
    names: Sequence[str]
    dashed: set[int] = field(default_factory=set)
    marked: set[int] = field(default_factory=set)
    counted: set[int] | None = None


def to_picture(
    title: str,
    pixels: Pixels,
    scene: Scene,
    labelmap: LabelMap | None,
    facts: Sequence[str] = (),
    side: int = 400,
    cut: bool = False,
) -> Picture:
    """A thumbnail of at most ``side`` pixels, with the largest of its boxes.

    Args:
        cut: boxes are cut at the picture's edge; else what they reach beyond is shown as well.
    """
    height, width = pixels.shape[:2]
    factor = min(1.0, side / max(width, height))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    boxes = scene.boxes.astype(np.float64).reshape(-1, 4) * (size * 2)
    shown = [*visible(boxes, size)][:MOST_OUTLINES]
    outlines = []
    for i in sorted(shown, key=lambda i: i in scene.marked):
        x0, y0, x1, y1 = boxes[i].clip(-10 * side, 10 * side).tolist()
        rect = min(x0, x1), min(y0, y1), abs(x1 - x0), abs(y1 - y0)
        colour = to_css(scene.labels[i])
        outlines.append(Outline(scene.names[i], colour, rect, i in scene.dashed, i in scene.marked))
    view = (0.0, 0.0, float(size[0]), float(size[1])) if cut else view_of(boxes[shown], size)
    counted = [
        label for i, label in enumerate(scene.labels) if scene.counted is None or i in scene.counted
    ]
    chips = [
        Chip(class_name(label, labelmap), to_css(label), count)
        for label, count in Counter(counted).most_common(MOST_CHIPS)
    ]
    return Picture(title, to_uri(pixels, size), view, size, outlines, chips, facts)
