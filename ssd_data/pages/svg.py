"""Scenes as lines over the picture of a page (SVG)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ssd_data.core.scene import Mark
from ssd_data.metrics.scores import Floats


@dataclass(frozen=True, slots=True)
class Outline:
    """A mark and its rectangle.

    Attributes:
        rect: x, y, width, height in the units of the drawing; NaN where it cannot be drawn.
    """

    mark: Mark
    rect: tuple[float, float, float, float]

    @property
    def side(self) -> float:
        """The square root of its area."""
        return float(np.sqrt(self.rect[2] * self.rect[3]))

    @property
    def is_drawn(self) -> bool:
        """Whether it can be drawn."""
        return bool(np.isfinite(self.rect[0]))


def outline_all(marks: Iterable[Mark], boxes: Floats, far: Floats | float) -> list[Outline]:
    """The rectangle of each mark; an inverted box is turned round.

    >>> outline_all([Mark(1, "dog")], np.array([[30.0, 20.0, 10.0, 1e9]]), far=400)[0].rect
    (10.0, 20.0, 20.0, 380.0)

    Args:
        boxes: float64 (N, 4), xmin ymin xmax ymax in the units of the drawing.
        far: where they are cut. A line far outside is as invisible as one millions of pixels away.
    """
    found = []
    for mark, box in zip(marks, boxes, strict=True):
        cut = box.clip(-far, far) if np.isfinite(box).all() else np.full(4, np.nan)
        x0, y0, x1, y1 = cut.tolist()
        rect = (min(x0, x1), min(y0, y1), abs(x1 - x0), abs(y1 - y0))
        found.append(Outline(mark, rect))
    return found


def largest_first(outlines: Iterable[Outline]) -> list[Outline]:
    """Those that can be drawn, in an order in which small ones lie on top."""
    drawn = (outline for outline in outlines if outline.is_drawn)
    return sorted(drawn, key=lambda outline: -outline.rect[2] * outline.rect[3])


def corners(outlines: Sequence[Outline]) -> Floats:
    """Their xmin, ymin, xmax, ymax, float64 (N, 4)."""
    rects = np.array([outline.rect for outline in outlines], np.float64).reshape(-1, 4)
    return np.hstack([rects[:, :2], rects[:, :2] + rects[:, 2:]])
