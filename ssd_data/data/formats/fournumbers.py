"""What all boxes of a file together tell: whether they are fractions of their pictures, and what
four numbers are that no name explains: corners, or the top left corner and sides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt

from ssd_data.core.errors import InputError

Meaning = Literal["corners", "sides"]
Size = tuple[int, int]
SLACK = 1.0  # pixels by which a box may leave its picture
MOST_LOOKED = 64  # pictures whose files are opened
FEW = 0.05  # of the boxes may be wrong
MOST_FRACTION = 1.01  # what rounding makes of 1


def meaning_of(
    boxes: npt.NDArray[np.float32],
    owner: npt.NDArray[np.int64],
    stated: npt.NDArray[np.int64],
    size_of: Callable[[int], Size | None],
    slack: float = SLACK,
) -> Meaning | None:
    """What the four numbers of boxes are; None where both fit, or neither.

    >>> owner = np.zeros(1, np.int64)
    >>> sizes = np.array([[100, 100]])
    >>> meaning_of(np.array([[80, 10, 15, 20]], np.float32), owner, sizes, lambda index: None)
    'sides'

    Args:
        boxes: (N, 4).
        owner: (N,), the picture of each.
        stated: (M, 2), width and height of each picture, 0 where unknown; 1 where boxes are
            fractions.
        size_of: looks into a picture's file for its size; a few are asked for, where it matters.
        slack: by how much a box may leave its picture.
    """
    against = _against(boxes, owner, stated, slack)
    if not against[1]:
        sizes = _with_sizes(boxes, owner, stated, size_of)
        against = _against(boxes, owner, sizes, slack)
    return _judged(*against, len(boxes))


def _against(
    boxes: npt.NDArray[np.float32],
    owner: npt.NDArray[np.int64],
    sizes: npt.NDArray[np.int64],
    slack: float,
) -> tuple[int, int]:
    """How many boxes speak against corners, and against a corner and sides."""
    x, y, third, fourth = boxes.astype(np.float64).T
    width, height = sizes[owner].astype(np.float64).T
    known = (width > 0) & (height > 0)
    no_corners = (third < x) | (fourth < y)
    no_corners |= known & ((third > width + slack) | (fourth > height + slack))
    no_sides = (third < 0) | (fourth < 0)
    no_sides |= known & ((x + third > width + slack) | (y + fourth > height + slack))
    return int(np.count_nonzero(no_corners)), int(np.count_nonzero(no_sides))


def _with_sizes(
    boxes: npt.NDArray[np.float32],
    owner: npt.NDArray[np.int64],
    stated: npt.NDArray[np.int64],
    size_of: Callable[[int], Size | None],
) -> npt.NDArray[np.int64]:
    """The stated sizes, and those of the files of a few pictures: of the farthest boxes."""
    sizes = stated.copy()
    far = np.maximum(boxes[:, 0] + boxes[:, 2], boxes[:, 1] + boxes[:, 3])
    order = owner[np.argsort(-far, kind="stable")]
    unknown = order[(stated[order] <= 0).any(axis=1)]
    for picture in list(dict.fromkeys(unknown.tolist()))[:MOST_LOOKED]:
        sizes[picture] = size_of(picture) or (0, 0)
    return sizes


def fractions_among(boxes: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Which boxes are within 0 to 1 and no whole pixels, bool (N,): fractions, or very small."""
    inside = np.all(np.abs(boxes) <= MOST_FRACTION, axis=1)
    found: npt.NDArray[np.bool_] = inside & np.any(boxes % 1 != 0, axis=1)
    return found


def _judged(no_corners: int, no_sides: int, count: int) -> Meaning | None:
    """What fits, when so many boxes speak against each: a few may be faults."""
    if no_corners > 10 * no_sides and no_sides <= FEW * count:
        return "sides"
    if no_sides > 10 * no_corners and no_corners <= FEW * count:
        return "corners"
    return None


def undecided(what: str, where: str, key: str) -> InputError:
    """That nothing tells what the numbers are, and how to say it.

    Args:
        what: names the numbers. key: of a recipe's source.
    """
    return InputError(
        f"{what} may be x y width height, or xmin ymin xmax ymax: nothing tells",
        where=where,
        hint=f'Say it in a recipe\'s sources: {key} = "sides" or "corners"',
    )
