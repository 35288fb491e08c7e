"""Whether detections and truth speak of the same pictures, in the same box convention."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ssd_data.core.errors import InputError
from ssd_data.core.legible import few
from ssd_data.metrics import Metric, ScoreOptions
from ssd_data.metrics.conventions import require_convention
from ssd_data.metrics.files import note_twins
from ssd_data.metrics.scores import Found, Truth

SPARSE = 0.2  # of the pictures with truth may go unmentioned in a file for all pictures


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
                + few(names),
                where=found.origin,
                hint="Score them as missed with --missing count, or leave them out with "
                "--missing skip",
            )
        for name in names:
            found.notes.add("picture without detections: all its objects are missed", name)
    if not len(found.boxes):
        found.notes.add("no detection at all: all objects are missed", found.origin)
    note_twins(found, truth)
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
