"""Whether detections and truth speak of the same pictures, in the same box convention.

A mismatch here would be scored as 0.0 elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ssd_data.core.errors import InputError
from ssd_data.core.overlaps import best_overlaps
from ssd_data.metrics import Metric, ScoreOptions
from ssd_data.metrics.files import shown
from ssd_data.metrics.scores import Floats, Found, Truth

SPARSE = 0.2  # of the pictures with truth may go unmentioned in a file for all pictures
SAMPLE = 20_000
FACTOR, SHARE, LEAST = 3, 0.1, 5  # how many more true boxes another reading has to hit
FRACTIONS = "fractions of the picture, not pixels"
CONVENTIONS: dict[str, Callable[[Floats, Floats], Floats]] = {
    FRACTIONS: lambda b, s: b * s,
    "corners (xmin ymin xmax ymax) where width and height should stand": lambda b, s: np.hstack(
        [b[:, :2], b[:, 2:] - b[:, :2]]
    ),
    "width and height where corners (xmax ymax) should stand": lambda b, s: np.hstack(
        [b[:, :2], b[:, 2:] + b[:, :2]]
    ),
    "in the order y x, not x y": lambda b, s: b[:, [1, 0, 3, 2]],
    "moved by half their size: the centre stands where a corner should": lambda b, s: (
        b - np.tile(b[:, 2:] - b[:, :2], 2) / 2
    ),
    "centre, width and height where corners should stand": lambda b, s: np.hstack(
        [b[:, :2] - b[:, 2:] / 2, b[:, :2] + b[:, 2:] / 2]
    ),
}


def require_comparable(
    by: Metric, truth: Truth, found: Found, options: ScoreOptions
) -> tuple[Truth, Found, str]:
    """Deal with pictures that the detections do not speak of, and refuse a wrong box convention.

    Where the metric has no file a picture, one with no object found is not spoken of. So there some
    may go unmentioned: they are counted and noted, and refused above a fifth of the pictures that
    have truth.

    Args:
        by: whose ``truth`` and ``found`` these are, as read.
        options: ``missing`` and ``own_boxes`` of them.

    Returns:
        truth and detections to score, and with "skip" the subset in words, else empty.

    Raises:
        InputError: pictures are missing, or the boxes fit only in another convention.
    """
    absent = ~found.has_entry
    with_truth = np.zeros(len(truth.pictures), np.bool_)
    with_truth[truth.picture[~truth.ignored]] = True
    if not by.file_a_picture:
        absent &= with_truth
    names = [truth.pictures[i] for i in np.flatnonzero(absent)]
    subset = ""
    if options.missing == "skip":
        subset = f"{found.has_entry.sum():,} of {len(truth.pictures):,}"
        truth, found = restricted(truth, found)
    elif names:
        tolerated = not by.file_a_picture and len(names) <= SPARSE * with_truth.sum()
        if options.missing == "fail" and not tolerated:
            raise InputError(
                f"{len(names):,} of {len(truth.pictures):,} pictures have no detections: "
                + shown(names),
                where=found.origin,
                hint="Score them as missed with --missing count, or leave them out with "
                "--missing skip",
            )
        for name in names:
            found.notes.add("picture without detections: all its objects are missed", name)
    if not options.own_boxes:
        require_convention(truth, found)
    return truth, found, subset


def restricted(truth: Truth, found: Found) -> tuple[Truth, Found]:
    """Both with those pictures only that the detections speak of.

    Raises:
        InputError: there is none.
    """
    kept = found.has_entry
    if not kept.any():
        raise InputError("it has no detections at all", where=found.origin)
    number = np.cumsum(kept) - 1
    mine = truth.rows(kept[truth.picture])
    truth = replace(
        mine,
        pictures=tuple(name for name, k in zip(truth.pictures, kept, strict=True) if k),
        picture=number[mine.picture],
        sizes=truth.sizes[kept],
    )
    has_entry = np.ones(len(truth.pictures), np.bool_)
    return truth, replace(found, picture=number[found.picture], has_entry=has_entry)


def require_convention(truth: Truth, found: Found) -> None:
    """Refuse boxes that hit little as they are, but far more when read another way.

    The best of them are compared with the true boxes at an overlap of 0.5.

    Raises:
        InputError: with the convention in which they seem to be.
    """
    if not len(found.boxes) or not len(truth.boxes):
        return
    rows = np.arange(len(found.scores))
    if len(rows) > SAMPLE:
        rows = np.sort(np.argpartition(-found.scores, SAMPLE)[:SAMPLE])
    boxes = found.boxes[rows]
    size = np.full((len(rows), 4), np.nan)
    if truth.sizes.any():
        size = truth.sizes[found.picture[rows]][:, [0, 1, 0, 1]].astype(np.float64)
    if np.quantile(np.abs(boxes), 0.99) <= 2 < np.median(truth.boxes[:, 2:]):
        raise _wrong(found, FRACTIONS)
    group = found.picture[rows] * len(truth.classes) + found.label[rows]
    truth_group = truth.picture * len(truth.classes) + truth.label
    possible = min(int(np.isin(truth_group, group).sum()), len(rows))

    def hit(candidate: Floats) -> int:
        best, index = best_overlaps(candidate, group, truth.boxes, truth_group)
        return len(np.unique(index[best >= 0.5]))

    now = hit(boxes)
    if 2 * now >= possible:
        return
    hits = {name: hit(change(boxes, size)) for name, change in CONVENTIONS.items()}
    name = max(hits, key=lambda key: hits[key])
    if hits[name] >= max(FACTOR * now, SHARE * possible, LEAST):
        raise _wrong(found, name)


def _wrong(found: Found, name: str) -> InputError:
    return InputError(
        f"the boxes are in another convention; it seems they are {name}",
        where=found.origin,
        hint="Read as the format says, they hit far fewer true boxes",
    )
