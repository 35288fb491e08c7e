"""Charts as inline SVG, each with the numbers it shows. Colours are the page's own (CSS)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from ssd_data.core.legible import QUOTE, legible
from ssd_data.pages.report.blocks import Cell, Chart, Table

WIDTH, HEIGHT = 360, 200
LEFT, RIGHT, TOP, BOTTOM = 38, 8, 8, 34
PLOT_WIDTH, PLOT_HEIGHT = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
MOST_SERIES = 4


@dataclass(frozen=True, slots=True)
class Axis:
    """Bins along which values are counted.

    Attributes:
        title: what is counted along it, with its unit.
        edges: rising; what is below or above goes to the first or last bin.
        names: of the bins. ticks: index of an edge and what stands below it.
    """

    title: str
    edges: Sequence[float]
    names: Sequence[str]
    ticks: Sequence[tuple[int, str]]

    def count(self, values: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """How many values each bin has."""
        place = np.searchsorted(self.edges, values, "right") - 1
        bins = len(self.edges) - 1
        return np.bincount(place.clip(0, bins - 1), minlength=bins).astype(np.int64)


def histogram(
    title: str, axis: Axis, series: Sequence[tuple[str, npt.NDArray[Any]]], what: str
) -> Chart:
    """Shares of values along an axis, a step line a series, so that splits can be compared.

    Args:
        series: name and values (any number).
        what: what is counted, in the plural.
    """
    series = series[:MOST_SERIES]
    counts = [axis.count(values) for _, values in series]
    shares = [count / max(count.sum(), 1) for count in counts]
    most = round_up(max((float(s.max()) for s in shares), default=0.0) or 1.0)
    step = PLOT_WIDTH / (len(axis.edges) - 1)
    heights = ((TOP + PLOT_HEIGHT * (1 - i / 4), 100 * most * i / 4) for i in range(5))
    parts = [rule(y, f"{share:.3g}%") for y, share in heights]
    parts += [tick(LEFT + index * step, text) for index, text in axis.ticks]
    parts.append(axis_title(axis.title))
    parts += [_steps(share / most, index) for index, share in enumerate(shares)]
    rows: list[list[Cell]] = [
        [name, *(int(count[i]) for count in counts)]
        for i, name in enumerate(axis.names)
        if any(count[i] for count in counts)
    ]
    names = [name for name, _ in series]
    peaks = ", ".join(
        f"{name}: most are at {axis.names[int(s.argmax())]}"
        for name, s in zip(names, shares, strict=True)
        if s.any()
    )
    table = Table("", [axis.title, *names], rows)
    return Chart(title, f"Share of {what}. {peaks}", svg(title, peaks, parts), table, names)


def heat_map(title: str, series: Sequence[tuple[str, npt.NDArray[Any]]], side: int = 12) -> Chart:
    """Where points lie in their pictures, a square a series.

    Args:
        series: name and points, (N, 2), x and y as fractions, those outside count at the border.
    """
    series = series[:MOST_SERIES]
    across = min(len(series), 2) or 1
    size = (WIDTH - 12 * (across - 1)) / across if across > 1 else 0.6 * WIDTH
    parts, rows = [], []
    for index, (name, points) in enumerate(series):
        x, y = index % 2 * (size + 12), index // 2 * (size + 26)
        parts.append(_heat(points, side, size, x, y, name))
        rows += _thirds(name, points)
    height = -(-len(series) // 2) * (size + 26)
    text = "The stronger the colour, the more boxes have their centre there."
    table = Table("", ["", "left", "middle", "right"], rows)
    return Chart(title, text, svg(title, text, parts, height), table)


def bubbles(title: str, points: Sequence[tuple[int, int, int]]) -> Chart:
    """Widths, heights and how many there are of each: a circle each, its area by the number."""
    most = max((max(width, height) for width, height, _ in points), default=1)
    largest = max((count for _, _, count in points), default=1)
    step = round_up(most / 4)
    end = step * (-(-most // step) or 1)
    parts = [axis_title("width, pixels")]
    for side in np.arange(0, end + step / 2, step):
        parts.append(rule(TOP + (1 - side / end) * PLOT_HEIGHT, f"{side:g}"))
        parts.append(tick(LEFT + side / end * PLOT_WIDTH, f"{side:g}"))
    for width, height, count in points:
        parts.append(
            Markup('<circle class="bubble" cx="{:.1f}" cy="{:.1f}" r="{:.1f}"/>').format(
                LEFT + width / end * PLOT_WIDTH,
                TOP + (1 - height / end) * PLOT_HEIGHT,
                2 + 9 * (count / largest) ** 0.5,
            )
        )
    text = f"Heights up to {most} pixels over widths; larger circles are more pictures."
    rows: list[list[Cell]] = [[f"{width}x{height}", count] for width, height, count in points[:20]]
    return Chart(title, text, svg(title, text, parts), Table("", ["size", "pictures"], rows))


def svg(title: str, text: str, parts: Sequence[Markup], height: float = HEIGHT) -> Markup:
    """A drawing of its parts; ``text`` is for those who do not see it."""
    start = Markup(
        '<svg viewBox="0 0 {} {:.0f}" role="img" aria-label="{}"><title>{}</title>'
    ).format(WIDTH, height, legible(f"{title}. {text}"), legible(title))
    return start + Markup("").join(parts) + Markup("</svg>")


def _steps(shares: npt.NDArray[np.float64], index: int) -> Markup:
    """A step line over the bins; the first series is filled."""
    step = PLOT_WIDTH / len(shares)
    floor = TOP + PLOT_HEIGHT
    path = [f"M{LEFT:.1f} {floor:.1f}"]
    for i, share in enumerate(shares.tolist()):
        path.append(f"V{floor - share * PLOT_HEIGHT:.1f}H{LEFT + (i + 1) * step:.1f}")
    path.append(f"V{floor:.1f}")
    return Markup('<path class="series s{}" d="{}"/>').format(index, "".join(path))


def axis_title(text: str) -> Markup:
    """What stands below the axis."""
    return label(LEFT + PLOT_WIDTH / 2, HEIGHT - 5, text, "middle")


def rule(y: float, text: str) -> Markup:
    """A line of the grid across the plot, and before it what its height means."""
    form = Markup('<line class="grid" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>')
    return form.format(LEFT, y, WIDTH - RIGHT, y) + label(LEFT - 4, y + 3.5, text, "end")


def tick(x: float, text: str, anchor: str = "middle") -> Markup:
    """What stands below the plot at one place of the axis."""
    return label(x, HEIGHT - BOTTOM + 13, text, anchor)


def label(x: float, y: float, text: str, anchor: str) -> Markup:
    """A few words; ``anchor`` is start, middle or end."""
    form = Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>')
    return form.format(x, y, anchor, legible(text, QUOTE))


def _heat(
    points: npt.NDArray[Any], side: int, size: float, x: float, y: float, name: str
) -> Markup:
    """Squares, the more opaque the more points they hold."""
    cells = (points * side).astype(np.int64).clip(0, side - 1)
    counts = np.bincount(cells[:, 1] * side + cells[:, 0], minlength=side * side)
    form = Markup(
        '<rect class="heat" x="{:.1f}" y="{:.1f}" width="{:.2f}" height="{:.2f}" '
        'fill-opacity="{:.2f}"/>'
    )
    edge = size / side
    parts = [
        form.format(x + i % side * edge, y + i // side * edge, edge, edge, n / counts.max())
        for i, n in enumerate(counts.tolist())
        if n
    ]
    frame = Markup('<rect class="frame" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>')
    parts.append(frame.format(x, y, size, size))
    parts.append(label(x + size / 2, y + size + 14, name, "middle"))
    return Markup("").join(parts)


def _thirds(name: str, points: npt.NDArray[Any]) -> list[list[Any]]:
    """How many points lie in each ninth of the picture."""
    cells = (points * 3).astype(np.int64).clip(0, 2)
    counts = np.bincount(cells[:, 1] * 3 + cells[:, 0], minlength=9).reshape(3, 3).tolist()
    places = ("top", "middle", "bottom")
    return [[f"{name}, {place}", *row] for place, row in zip(places, counts, strict=True)]


def round_up(value: float, steps: Sequence[float] = (1, 2, 4, 5, 8, 10)) -> float:
    """The next of some numbers from 1 to 10 times a power of ten."""
    power = 10.0 ** np.floor(np.log10(value)) if value > 0 else 1.0
    return float(next(n * power for n in steps if n * power >= value * 0.9999))
