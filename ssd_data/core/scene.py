"""What is drawn of a picture: its boxes, and what is said of them.

Two painters draw a scene: :mod:`ssd_data.core.drawing` into the pixels, :mod:`ssd_data.pages.svg`
as lines over them. Each label has a colour that depends on it alone.
"""

from __future__ import annotations

import colorsys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ssd_data.core.structures import Boxes, Flags, Labels

Colour: TypeAlias = tuple[int, int, int]
MARGIN = 0.2  # of a side: how far outside the picture is shown
_GOLDEN = 0.618034
_TONES = ((0.6, 1.0), (0.77, 1.0), (0.52, 0.85))  # lightness, saturation


@dataclass(frozen=True, slots=True)
class Mark:
    """What is said of a box.

    >>> Mark(3, "dog", score=0.914).text
    'dog 0.91'

    Attributes:
        label: its class. name: what people call that.
        score: of a detection, else None.
        note: what else there is to say.
        dashed: it is difficult, or was meant otherwise.
        marked: the picture is shown for it. faint: it is not what was asked for.
        counted: the legend counts it.
        kind: a word by which a page tells its boxes apart.
    """

    label: int
    name: str
    score: float | None = None
    note: str = ""
    dashed: bool = False
    marked: bool = False
    faint: bool = False
    counted: bool = True
    kind: str = ""

    @property
    def text(self) -> str:
        """Its class, and its score."""
        return self.name if self.score is None else f"{self.name} {self.score:.2f}"

    @property
    def said(self) -> str:
        """The same, and its note."""
        return self.text + self.note

    @property
    def colour(self) -> str:
        """Its class's colour, as a page writes it."""
        return css(self.label)


@dataclass(frozen=True, slots=True)
class Chip:
    """An entry of a legend: a class, or (label None) several; ``count`` is of their boxes."""

    label: int | None
    name: str
    count: int

    @property
    def colour(self) -> str:
        """The class's colour, as a page writes it."""
        return "none" if self.label is None else css(self.label)


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A picture's boxes, to be drawn.

    Attributes:
        boxes: float32 (N, 4), fractions of the picture, xmin ymin xmax ymax. They may leave it, be
            inverted, or be no numbers.
        marks: N, what is said of them.
    """

    boxes: Boxes
    marks: Sequence[Mark]

    @property
    def legend(self) -> list[Chip]:
        """All classes of the marks, those with most boxes first."""
        names: dict[int, str] = {}
        counts: Counter[int] = Counter()
        for mark in self.marks:
            names.setdefault(mark.label, mark.name)
            counts[mark.label] += mark.counted
        return [Chip(label, names[label], count) for label, count in counts.most_common()]


def to_marks(
    name: Callable[[int], str],
    labels: Labels,
    *,
    scores: npt.NDArray[np.floating[Any]] | None = None,
    dashed: Flags | None = None,
) -> list[Mark]:
    """A mark for each label, int32 (N,).

    >>> to_marks("background cat dog".split().__getitem__, np.array([2, 1], np.int32))[0].text
    'dog'

    Args:
        name: what people call a label.
        scores: float (N,). dashed: bool (N,).
    """
    names = {label: name(label) for label in set(labels.tolist())}
    numbers = [None] * len(labels) if scores is None else scores.tolist()
    hard = [False] * len(labels) if dashed is None else dashed.tolist()
    rows = zip(labels.tolist(), numbers, hard, strict=True)
    return [Mark(label, names[label], score, dashed=is_hard) for label, score, is_hard in rows]


def colour(label: int) -> Colour:
    """The colour of a label: red, green, blue, 0 to 255. Labels near each other differ most.

    >>> colour(1)
    (255, 51, 90)
    """
    # In steps of the golden section no hue comes close to those of the labels before it.
    lightness, saturation = _TONES[label // 7 % len(_TONES)]
    channels = colorsys.hls_to_rgb((label * _GOLDEN + 0.35) % 1, lightness, saturation)
    red, green, blue = (round(255 * channel) for channel in channels)
    return red, green, blue


def css(label: int) -> str:
    """The same as a page writes it.

    >>> css(1)
    '#ff335a'
    """
    return "#{:02x}{:02x}{:02x}".format(*colour(label))


def beyond(
    boxes: npt.NDArray[np.float64], width: float, height: float
) -> tuple[float, float, float, float]:
    """How far finite boxes, (N, 4) in pixels, reach beyond a picture: left, top, right, bottom.

    Less than two pixels is what rounding leaves, and counts as none.

    >>> beyond(np.array([[-5.0, 0, 50, 101]]), 100, 100)
    (5.0, 0.0, 0.0, 0.0)
    """
    if not len(boxes):
        return 0.0, 0.0, 0.0, 0.0
    corners = boxes.reshape(-1, 2)
    low, high = -corners.min(axis=0), corners.max(axis=0) - (width, height)
    left, top, right, bottom = (far if far >= 2 else 0.0 for far in (*low.tolist(), *high.tolist()))
    return left, top, right, bottom
