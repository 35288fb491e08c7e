"""Figures of matplotlib's, written whole."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from ssd_data.core.files.whole import write_whole


def write_figure(path: Path, figure: Any, dpi: float | None = None) -> None:
    """Write a figure as PNG, by default at its own resolution.

    Raises:
        OutputError: the file cannot be written.
    """
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=dpi or "figure")
    write_whole(path, picture.getvalue())
