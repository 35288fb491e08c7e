"""Precision-recall curves as pictures, drawn by matplotlib."""

from __future__ import annotations

import re
from pathlib import Path

from ssd_data.core.files.together import write_together
from ssd_data.core.files.whole import figure_bytes
from ssd_data.core.legible import legible
from ssd_data.core.optional import require
from ssd_data.metrics.scores import Scores

MOST_NAME = 60  # letters of a title, of a file's name


def draw_curves(scores: Scores, folder: Path) -> list[Path]:
    """Write one PNG a curve into a folder, which is made where it is not there.

    Returns:
        the files.

    Raises:
        SsdDataError: matplotlib is not installed.
        OutputError: they cannot be written; none is, then.
    """
    figures = require("matplotlib.figure", "score")
    files: dict[str, bytes] = {}
    for name, curve in scores.curves.items():
        figure = figures.Figure(figsize=(6, 5), layout="constrained")
        axes = figure.add_subplot()
        axes.plot(curve.recall, curve.precision)
        axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
        axes.set_title(f"{scores.metric}: {legible(name, MOST_NAME)}", parse_math=False)
        axes.grid(alpha=0.3)
        file = f"{scores.metric}_{re.sub(r'[^A-Za-z0-9.-]+', '_', name)[:MOST_NAME]}"
        file = file if f"{file}.png" not in files else f"{file}_{len(files)}"
        files[f"{file}.png"] = figure_bytes(figure)
    write_together(folder, files, redo=True)
    return [folder / name for name in files]
