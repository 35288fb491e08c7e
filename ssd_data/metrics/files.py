"""What the readers of detections share.

Numbers are read as a format's official tool reads them. What that tool would trip over is one error
with file and line; what it would pass over is counted in the notes.
"""

from __future__ import annotations

import numpy as np

from ssd_data.core.errors import InputError
from ssd_data.metrics.scores import Found, Truth

FAR = 1e9


def shown(names: list[str], most: int = 5) -> str:
    """The first few names of a list and how many there are besides."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def line_of_numbers(line: str, count: int, where: str, score: int = -1) -> list[float]:
    """The numbers of one line: finite, and as many as the format wants.

    Args:
        score: which of them is the score; the others are coordinates.

    Raises:
        InputError: they are not.
    """
    words = line.split()
    try:
        values = [float(word) for word in words]
    except ValueError:
        raise InputError(f'"{line.strip()[:60]}" are not {count} numbers', where=where) from None
    if len(values) != count or "_" in line:
        raise InputError(f"{count} numbers should stand here, found {len(values)}", where=where)
    coordinates = list(values)
    last = coordinates.pop(score)
    if not np.isfinite(coordinates).all():
        raise InputError("a coordinate is not a finite number", where=where)
    if max(map(abs, coordinates)) > FAR:
        raise InputError("a coordinate is out of all bounds", where=where)
    if not np.isfinite(last):
        raise InputError("the score is not a finite number", where=where)
    return values


def note_odd_boxes(found: Found, truth: Truth) -> None:
    """Count boxes that are inverted, lie wholly outside their picture, or reach far beyond it."""
    boxes = found.boxes
    inverted = (boxes[:, 2] < boxes[:, 0]) | (boxes[:, 3] < boxes[:, 1])
    outside = (boxes[:, 2] < -1) | (boxes[:, 3] < -1)
    far = np.zeros_like(outside)
    if truth.sizes.any():
        size = np.where(truth.sizes > 0, truth.sizes, np.inf)[found.picture]
        outside |= (boxes[:, :2] > size + 1).any(axis=1)
        far = np.any((boxes[:, :2] < -size) | (boxes[:, 2:] > 2 * size), axis=1)
    for odd, what in (
        (inverted, "inverted box: it is scored as the official tool does, finding nothing"),
        (outside & ~inverted, "box wholly outside its picture"),
        (far & ~outside & ~inverted, "box that reaches beyond its picture by more than its size"),
    ):
        for row in np.flatnonzero(odd):
            found.notes.add(what, truth.pictures[found.picture[row]])
