"""Pictures of overlapping circles, squares and triangles whose boxes are known to the pixel.

Shapes are drawn from their signed distance: that gives clean edges, and the pixels that a shape
takes (those whose centre lies inside it) without guessing.
"""

from __future__ import annotations

import colorsys
import math
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from ssd_data.core.structures import Pixels

CLASSES = ("circle", "square", "triangle")
GROUNDS = ("dusk", "clouds", "weave")
MOST_SHAPES = 6
SMALLEST, LARGEST = 0.1, 0.6  # of the picture's shorter side
HIDDEN, DIFFICULT = 0.1, 0.4  # visible shares below which a shape is not listed, or is difficult
SHADOW = 0.35

Plane: TypeAlias = npt.NDArray[np.float32]
Box: TypeAlias = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Shape:
    """One shape that can be seen well enough to be annotated.

    Attributes:
        name: one of :data:`CLASSES`.
        box: xmin, ymin, xmax, ymax around the shape's pixels in the picture, also those that other
            shapes hide; edges of pixels, so that ``xmax - xmin`` is the width.
        visible: the share of the whole shape that is seen, 0 to 1.
        cut: whether it reaches the picture's border, which then cuts it.
    """

    name: str
    box: Box
    visible: float
    cut: bool

    @property
    def difficult(self) -> bool:
        """Whether most of it is hidden or lies beyond the border."""
        return self.visible < DIFFICULT


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """A picture, uint8 (height, width, 3) BGR, the name of its ground and its shapes."""

    pixels: Pixels
    ground: str
    shapes: tuple[Shape, ...]


def draw(seed: int, split: int, index: int, size: int) -> Drawing:
    """Draw picture ``index`` of a split; it depends on these four numbers alone."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, split, index]))
    stretch = math.exp(rng.uniform(-0.12, 0.12))
    width, height = round(size * stretch), round(size / stretch)
    ground, pixels = _ground(rng, width, height)
    tint = pixels.mean(axis=(0, 1))
    forms: list[_Form] = []
    for _ in range(rng.integers(1, MOST_SHAPES + 1)):
        forms.append(_form(rng, width, height, forms))
    masks = [_paint(rng, pixels, form, tint) for form in forms]
    pixels += 3 * rng.standard_normal((height, width, 1), np.float32)
    return Drawing(pixels.clip(0, 255).astype(np.uint8), ground, _seen(forms, masks))


@dataclass(frozen=True, slots=True, eq=False)
class _Form:
    """A circle (no corners) or a convex polygon, in pixels."""

    name: str
    x: float
    y: float
    size: float
    corners: npt.NDArray[np.float64]

    def distance(self, x: Plane, y: Plane) -> Plane:
        """How far the points lie outside (positive) or inside (negative)."""
        x, y = x - np.float32(self.x), y - np.float32(self.y)
        if self.name == "circle":
            return np.asarray(np.hypot(x, y) - np.float32(self.size / 2), np.float32)
        outside: Plane = np.full(np.broadcast_shapes(x.shape, y.shape), -np.inf, np.float32)
        for a, b in zip(self.corners, np.roll(self.corners, -1, axis=0), strict=True):
            along = (b - a) / np.hypot(*(b - a))
            to_edge = (x - np.float32(a[0])) * np.float32(along[1])
            to_edge = to_edge - (y - np.float32(a[1])) * np.float32(along[0])
            outside = np.maximum(outside, to_edge)
        return outside

    def window(self, margin: float) -> tuple[slice, slice]:
        """The rows and columns that hold the shape and a margin around it."""
        reach = self.size / 2 + margin + 1
        rows, columns = (
            slice(max(0, math.floor(middle - reach)), math.ceil(middle + reach))
            for middle in (self.y, self.x)
        )
        return rows, columns

    def area(self) -> float:
        """Of the whole shape, also where it lies beyond the border."""
        if self.name == "circle":
            return math.pi * self.size**2 / 4
        x, y = self.corners.T
        return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def _form(rng: np.random.Generator, width: int, height: int, others: list[_Form]) -> _Form:
    """A shape whose longer side is ``size``."""
    name = CLASSES[rng.integers(len(CLASSES))]
    share = math.exp(rng.uniform(math.log(SMALLEST), math.log(LARGEST)))
    size = share * min(width, height)
    x, y = _place(rng, size, width, height, others)
    count = 4 if name == "square" else 3
    bend = 0.0 if name == "square" else 0.25  # no two triangles alike
    angles = math.tau * np.arange(count) / count + rng.uniform(0, math.tau)
    angles = angles + rng.uniform(-bend, bend, count)
    corners = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    low, high = corners.min(axis=0), corners.max(axis=0)
    corners = (corners - (low + high) / 2) * (size / (high - low).max())
    return _Form(name, x, y, size, corners)


def _place(
    rng: np.random.Generator, size: float, width: int, height: int, others: list[_Form]
) -> tuple[float, float]:
    """Anywhere or, on nearly half of them, upon another shape; at most 40 % beyond a border."""
    x, y = rng.uniform(0, width), rng.uniform(0, height)
    if others and rng.random() < 0.45:
        other = others[rng.integers(len(others))]
        reach = 0.35 * (size + other.size)
        x, y = other.x + rng.uniform(-reach, reach), other.y + rng.uniform(-reach, reach)
    margin = 0.1 * size
    return min(max(x, margin), width - margin), min(max(y, margin), height - margin)


def _seen(forms: list[_Form], masks: list[Plane]) -> tuple[Shape, ...]:
    """The shapes that later ones do not hide, in the order in which they were drawn."""
    found = []
    free: Plane = np.ones_like(masks[0])
    for form, mask in zip(reversed(forms), reversed(masks), strict=True):
        visible = float((mask * free).sum()) / form.area()
        free = free * (1 - mask)
        if visible >= HIDDEN:
            box, (height, width) = _box(mask), mask.shape
            cut = min(box) == 0 or box[2] == width or box[3] == height
            found.append(Shape(form.name, box, min(visible, 1.0), cut))
    return tuple(reversed(found))


def _box(mask: Plane) -> Box:
    inside = mask >= 0.5
    columns, rows = np.flatnonzero(inside.any(axis=0)), np.flatnonzero(inside.any(axis=1))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _paint(
    rng: np.random.Generator, pixels: Plane, form: _Form, tint: npt.NDArray[np.float32]
) -> Plane:
    """Paint the shape with its shadow; the result is how much of each pixel it covers."""
    side = min(pixels.shape[:2])
    offset, blur = np.float32(0.02 * side), np.float32(0.04 * side)
    rows, columns = form.window(margin=0.05 * side)
    x, y = _centres(pixels)
    x, y, near = x[:, columns], y[rows], pixels[rows, columns]
    shadow = (0.5 - form.distance(x - offset, y - offset) / blur).clip(0, 1)
    _blend(near, np.zeros(3, np.float32), shadow * np.float32(SHADOW))
    distance = form.distance(x, y)
    cover = (0.5 - distance).clip(0, 1)
    colours = [_colour(rng, (0.55, 0.95), (0.5, 1.0)) for _ in range(4)]
    colour = max(colours, key=lambda c: float(np.abs(c - tint).sum()))
    _blend(near, colour * _tone(rng, x, y, side)[..., None], cover)
    if rng.random() < 0.5:
        rim = (0.5 + distance + np.float32(0.012 * side)).clip(0, 1)
        _blend(near, colour * np.float32(rng.choice([0.35, 1.6])), cover * rim)
    mask: Plane = np.zeros(pixels.shape[:2], np.float32)
    mask[rows, columns] = cover
    return mask


def _tone(rng: np.random.Generator, x: Plane, y: Plane, side: int) -> Plane:
    """How bright a shape's paint is: a gradient, and on half of them stripes or dots."""
    along, across = _turned(rng, x, y)
    wave = np.float32(math.tau / (side * rng.uniform(0.04, 0.09)))
    stripes, dots = np.sin(along * wave), np.sin(along * wave) * np.sin(across * wave)
    pattern = (dots * 0, dots * 0, (3 * stripes).clip(-1, 1), (6 * dots - 1).clip(-1, 1))
    tone = 1 + 0.3 * across / side + 0.17 * pattern[rng.integers(len(pattern))]
    return np.asarray(tone, np.float32)


def _ground(rng: np.random.Generator, width: int, height: int) -> tuple[str, Plane]:
    """A textured ground in two muted colours with lines across it, float32 BGR."""
    kind = int(rng.integers(len(GROUNDS)))
    first = _colour(rng, (0.1, 0.5), (0.25, 0.95))
    second = _colour(rng, (0.1, 0.5), (0.25, 0.95))
    clouds = _clouds(rng, width, height)
    x, y = _centres(clouds)
    along, across = _turned(rng, x, y)
    wave = np.float32(math.tau / (min(width, height) * rng.uniform(0.08, 0.2)))
    fields = (
        0.5 + along / max(width, height),
        clouds,
        0.5 + 0.25 * np.sin(along * wave) + 0.25 * np.sin(across * wave),
    )
    field = (0.7 * fields[kind] + 0.3 * clouds).clip(0, 1)[..., None]
    pixels = (first + field * (second - first)).clip(0, 255).astype(np.uint8)
    for _ in range(rng.integers(13)):
        ends = rng.uniform(-0.2, 1.2, (2, 2)) * (width, height)
        colour = (first + second) / 2 * np.float32(rng.uniform(0.6, 1.4))
        thickness = int(rng.integers(1, 2 + min(width, height) // 100))
        start, end = (tuple(map(round, end)) for end in ends.tolist())
        cv2.line(pixels, start, end, colour.clip(0, 255).tolist(), thickness, cv2.LINE_AA)
    return GROUNDS[kind], pixels.astype(np.float32)


def _clouds(rng: np.random.Generator, width: int, height: int) -> Plane:
    """Smooth noise between 0 and 1: coarse grids of random values, each finer one weaker."""
    total: Plane = np.zeros((height, width), np.float32)
    for cells, weight in ((3, 1.0), (6, 0.5), (12, 0.3), (24, 0.2), (48, 0.1)):
        grid = rng.random((cells, cells), np.float32) * np.float32(weight)
        total += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    low, high = total.min(), total.max()
    return np.asarray((total - low) / (high - low), np.float32)


def _centres(pixels: Plane) -> tuple[Plane, Plane]:
    """The pixels' centres: x as a row, y as a column."""
    height, width = pixels.shape[:2]
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
    return x[None, :] + np.float32(0.5), y[:, None] + np.float32(0.5)


def _turned(rng: np.random.Generator, x: Plane, y: Plane) -> tuple[Plane, Plane]:
    """The points' places along and across some direction, from their middle."""
    angle = rng.uniform(0, math.tau)
    cos, sin = np.float32(math.cos(angle)), np.float32(math.sin(angle))
    x, y = x - x.mean(), y - y.mean()
    return x * cos + y * sin, y * cos - x * sin


def _colour(
    rng: np.random.Generator, saturation: tuple[float, float], value: tuple[float, float]
) -> npt.NDArray[np.float32]:
    """A random colour, BGR, 0 to 255."""
    rgb = colorsys.hsv_to_rgb(rng.random(), rng.uniform(*saturation), rng.uniform(*value))
    return np.array(rgb[::-1], np.float32) * np.float32(255)


def _blend(pixels: Plane, colour: Plane, opacity: Plane) -> None:
    """Lay a colour, or one a pixel, over the pixels, in place."""
    pixels += opacity[..., None] * (colour - pixels)
