"""Numbers over iterations as lines, with the numbers that they show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from ssd_data.pages.report.blocks import Cell, Chart, Table
from ssd_data.pages.report.charts import (
    LEFT,
    PLOT_HEIGHT,
    PLOT_WIDTH,
    RIGHT,
    TOP,
    WIDTH,
    axis_title,
    round_up,
    rule,
    svg,
    tick,
)
from ssd_data.pages.report.history import Floats, Points

MOST_CURVES = 6  # as many as have a colour
MOST_POINTS, MOST_ROWS, MOST_DOTS = 400, 14, 30
QUARTERED = (1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10)  # their quarters are short numbers
TENFOLD = 12.0
TINIEST = 1e-30  # what is smaller is drawn as 0
DECADES = 4  # of a logarithmic scale, at most
ORDINARY = 97  # per cent of the points are always in the picture


@dataclass(frozen=True, slots=True)
class ValueAxis:
    """What the height of a chart means.

    Attributes:
        bottom, top: of the plot. is_log: its steps are powers of ten.
        unit: stands behind the numbers.
    """

    bottom: float
    top: float
    is_log: bool = False
    unit: str = ""

    def place(self, values: Floats) -> Floats:
        """Heights in the drawing; what is outside lies at the border."""
        low, high = self.bottom, self.top
        if self.is_log:
            low, high, values = np.log10(low), np.log10(high), np.log10(values)
        share: Floats = ((values - low) / (high - low)).clip(0, 1)
        return TOP + (1 - share) * PLOT_HEIGHT

    def ticks(self) -> list[float]:
        """Where lines are drawn."""
        if self.is_log:
            first, last = round(np.log10(self.bottom)), round(np.log10(self.top))
            step = -(-(last - first) // 6)
            return [10.0**power for power in range(first, last + 1, step)]
        return [self.bottom + (self.top - self.bottom) * i / 4 for i in range(5)]


def chart(
    title: str, series: Sequence[tuple[str, Points]], *, share: bool = False, log: bool = False
) -> Chart | None:
    """Lines over iterations; None where there is no number to show.

    Args:
        series: name, iterations and values; values that are no number are gaps.
        share: values lie between 0 and 1. log: where they differ by more than tenfold, a
            logarithmic scale.
    """
    thin = [(name, thinned(*points)) for name, points in series[:MOST_CURVES]]
    known = np.concatenate([np.zeros(0), *(y[np.isfinite(y)] for _, (_, y) in thin)])
    if not len(known):
        return None
    last = max(float(x[-1]) for _, (x, _) in thin if len(x))
    scale = ValueAxis(0, 1) if share else _scale(known, log)
    levels = scale.ticks()
    heights = scale.place(np.array(levels)).tolist()
    parts = [rule(y, f"{level:.3g}") for y, level in zip(heights, levels, strict=True)]
    parts += [*_axis(last), axis_title("iteration")]
    parts += [_line(x, y, last, scale, i) for i, (_, (x, y)) in enumerate(thin)]
    said = ", ".join(f"{name} {_end(y)}" for name, (_, y) in thin)
    text = f"At the end: {said}."
    if above := int((known > scale.top).sum()):
        text += f" {above:,} of {len(known):,} points are higher than the drawing."
    table = Table("", ["iteration", *(name for name, _ in thin)], _rows(thin))
    legend = [name if np.isfinite(y).any() else f"{name}: none" for name, (_, y) in thin]
    return Chart(title, text, svg(title, text, parts), table, legend)


def thinned(x: Floats, y: Floats, most: int = MOST_POINTS) -> Points:
    """At most so many points: the means of neighbours, those that are no number left out."""
    if len(x) <= most:
        return x, y
    group = np.arange(len(x)) * most // len(x)
    sound = np.isfinite(y)
    count = np.bincount(group[sound], minlength=most)
    sums = np.bincount(group[sound], weights=y[sound], minlength=most)
    with np.errstate(all="ignore"):
        means = sums / count
    last = np.append(np.flatnonzero(np.diff(group)), len(x) - 1)
    return x[last], means


def _scale(known: Floats, log: bool) -> ValueAxis:
    above = known[known > TINIEST]
    # A rate that falls in a straight line to 0 stays one; one that falls in steps shows them all.
    if log and len(above) and above.max() > TENFOLD * np.percentile(above, 10):
        low, high = np.floor(np.log10(above.min())), np.ceil(np.log10(above.max()))
        low = max(low, high - DECADES)
        return ValueAxis(float(10**low), float(10 ** max(high, low + 1)), is_log=True)
    # The first losses are often tenfold: they would flatten all that follows.
    usual = float(np.percentile(known, ORDINARY))
    top = float(known.max())
    top = min(top, 1.5 * usual) if usual > 0 else top
    low = min(float(known.min()), 0.0)
    return ValueAxis(
        -round_up(-low, QUARTERED) if -low > TINIEST else 0.0,
        round_up(top, QUARTERED) if top > TINIEST else 1.0,
    )


def _axis(last: float) -> Iterator[Markup]:
    step = max(round_up(last / 5), 1)
    for iteration in np.arange(0, last + 1e-6, step).tolist():
        x = LEFT + iteration / max(last, 1) * PLOT_WIDTH
        yield tick(x, f"{iteration:,.0f}", "end" if x > WIDTH - RIGHT - 12 else "middle")


def _line(x: Floats, y: Floats, last: float, scale: ValueAxis, index: int) -> Markup:
    """A line with gaps; few points are dots, too."""
    with np.errstate(all="ignore"):
        heights = scale.place(y)
    places = LEFT + x / max(last, 1) * PLOT_WIDTH
    path, down, dots = [], False, []
    for place, height in zip(places.tolist(), heights.tolist(), strict=True):
        if not np.isfinite(height):
            down = False
            continue
        path.append(f"{'L' if down else 'M'}{place:.1f} {height:.1f}")
        dots.append((place, height))
        down = True
    drawn = Markup('<path class="series line s{}" d="{}"/>').format(index, "".join(path))
    if len(dots) > MOST_DOTS:
        return drawn
    form = Markup('<circle class="dot s{}" cx="{:.1f}" cy="{:.1f}" r="2.5"/>')
    return drawn + Markup("").join(form.format(index, *dot) for dot in dots)


def _rows(series: Sequence[tuple[str, Points]]) -> list[list[Cell]]:
    """Some iterations, and each line's last number until there."""
    longest = max((x for _, (x, _) in series), key=len)
    chosen = np.unique(np.linspace(0, len(longest) - 1, MOST_ROWS).round().astype(int))
    rows: list[list[Cell]] = []
    for iteration in longest[chosen].tolist():
        cells: list[Cell] = [int(iteration)]
        for _, (x, y) in series:
            at = int(np.searchsorted(x, iteration, "right")) - 1
            there = at >= 0 and iteration <= x[-1] and np.isfinite(y[at])
            cells.append(float(y[at]) if there else None)
        rows.append(cells)
    return rows


def _end(values: Floats) -> str:
    known = values[np.isfinite(values)]
    return f"{known[-1]:.4g}" if len(known) else "nothing"
