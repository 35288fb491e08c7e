"""How well priors fit, as pictures drawn by matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ssd_data.core.files.together import write_together
from ssd_data.core.files.whole import figure_bytes
from ssd_data.core.optional import require
from ssd_data.families.fit.fit import Fit

MATCHED, FORCED, WITHOUT, PRIORS = "#3b6fb6", "#e0912f", "#b23a48", "#222222"
MOST_POINTS = 20_000


def draw_plots(fit: Fit, folder: Path) -> list[Path]:
    """Write ``fit_sizes.png``, ``fit_ratios.png`` and ``fit_shapes.png`` into a folder.

    Returns:
        the files.

    Raises:
        SsdDataError: matplotlib is not installed.
        OutputError: they cannot be written; none is, then.
    """
    figures = require("matplotlib.figure", "score")
    files = {}
    for name, draw in (("sizes", _sizes), ("ratios", _ratios), ("shapes", _shapes)):
        figure = figures.Figure(figsize=(7, 5), layout="constrained")
        draw(fit, figure.add_subplot())
        files[f"fit_{name}.png"] = figure_bytes(figure, dpi=110)
    write_together(folder, files, redo=True)
    return [folder / name for name in files]


def _kinds(fit: Fit) -> list[tuple[str, str, npt.NDArray[np.bool_]]]:
    matched, forced = fit.matches.matched, fit.matches.forced
    overlap = f"{fit.layout.rules.overlap:g}"
    kinds = [
        (f"matched at {overlap}", MATCHED, matched),
        ("by the bipartite rule only", FORCED, forced),
        ("without a prior", WITHOUT, ~matched & ~forced),
    ]
    return [kind for kind in kinds if kind[2].any()]


def _sizes(fit: Fit, axes: Any) -> None:
    """Boxes by size, and where the priors lie."""
    sides = np.sqrt(fit.sides().prod(1))
    _stack(fit, axes, np.log2(sides.clip(1)), "boxes by size")
    axes.set_xlabel("side of a square as large as the box, pixels of the input")
    ticks = range(int(np.ceil(np.log2(max(fit.layout.size)))) + 1)
    axes.set_xticks(ticks, [f"{2**tick:g}" for tick in ticks])
    _mark(axes, np.log2(np.sqrt(_prior_shapes(fit).prod(1))))
    axes.legend()


def _ratios(fit: Fit, axes: Any) -> None:
    """Boxes by aspect ratio, and those of the priors."""
    width, height = fit.sides().T
    _stack(fit, axes, np.log2(width / height).clip(-3.5, 3.5), "boxes by aspect ratio")
    axes.set_xlabel("width : height at the input")
    names = ("1:8", "1:4", "1:2", "1:1", "2:1", "4:1", "8:1")
    axes.set_xticks(range(-3, 4), names)
    across, down = _prior_shapes(fit).T
    _mark(axes, np.log2(across / down))
    axes.legend()


def _prior_shapes(fit: Fit) -> npt.NDArray[np.float64]:
    """Widths and heights of the priors that have an area, in pixels, (N, 2)."""
    shapes = np.array([shape for one in fit.layout.maps for shape in one.shapes.sizes])
    return np.asarray(shapes[(shapes > 0).all(1)])


def _stack(fit: Fit, axes: Any, values: npt.NDArray[Any], title: str) -> None:
    kinds = _kinds(fit)
    axes.hist(
        [values[which] for _, _, which in kinds],
        bins=40,
        stacked=True,
        color=[colour for _, colour, _ in kinds],
        label=[f"{name}: {which.sum():,}" for name, _, which in kinds],
    )
    axes.set_title(title)
    axes.set_ylabel("boxes")
    axes.grid(alpha=0.3)


def _mark(axes: Any, values: npt.NDArray[Any]) -> None:
    """Ticks above the lower edge where priors lie."""
    height = axes.get_ylim()[1]
    axes.plot(values, np.full(len(values), -0.02 * height), "^", color=PRIORS, label="priors")


def _shapes(fit: Fit, axes: Any) -> None:
    """Widths and heights of boxes and priors."""
    sides = fit.sides().clip(1)
    which = np.arange(len(sides))
    if len(which) > MOST_POINTS:
        which = np.random.default_rng(0).choice(which, MOST_POINTS, replace=False)
    for name, colour, chosen in _kinds(fit):
        rows = which[chosen[which]]
        axes.plot(*sides[rows].T, ".", color=colour, markersize=3, alpha=0.5, label=name)
    axes.plot(
        *_prior_shapes(fit).T, "s", color=PRIORS, markersize=7, fillstyle="none", label="priors"
    )
    axes.set(xscale="log", yscale="log", xlabel="width, pixels", ylabel="height, pixels")
    axes.set_title("boxes and priors at the input")
    axes.grid(alpha=0.3)
    axes.legend(markerscale=1.2)
