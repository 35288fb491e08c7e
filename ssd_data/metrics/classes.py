"""Detections whose classes are numbered or named otherwise than the truth's."""

from __future__ import annotations

import numpy as np

from ssd_data.core.errors import InputError
from ssd_data.core.legible import few
from ssd_data.metrics.hits import Targets
from ssd_data.metrics.scores import Found, Ints, Truth

FACTOR, SHARE, LEAST = 3, 0.25, 5
CERTAIN = 0.8  # of what a class hits are objects of one other


def require_own_classes(truth: Truth, found: Found, rows: Ints) -> None:
    """Refuse detections that hit few objects of their class, but of each class those of another.

    A weak detector takes one class for several others, or several for one; here each has its own.

    Args:
        rows: int64 (N,), the detections that are looked at.

    Raises:
        InputError: with what some classes seem to be.
    """
    if len(truth.classes) < 2:
        return
    targets = Targets(truth, by_class=False)
    hits = targets.hit_by(found.boxes[rows], found.picture[rows])
    called, true = found.label[rows[hits.rows]], truth.label[hits.true]
    meant = _meant(called, true, len(truth.classes))
    agreed = sum(count for label, (other, count) in meant.items() if label != other)
    enough = agreed >= max(FACTOR * (called == true).sum(), len(called) / 2) and hits.share >= SHARE
    moved = [(label, other) for label, (other, _) in meant.items() if label != other]
    if not enough or len(moved) < 2 or len({other for _, other in moved}) < len(moved):
        return
    row = int(rows[hits.rows[called == moved[0][0]]].min())
    pairs = [f"{_name(truth, one)} lie on {_name(truth, other)}" for one, other in moved]
    hint = "Are they numbered in another order there?"
    if len(truth.class_ids):
        hint = "A category_id is an id of the truth's categories, not a label or an index"
    raise InputError(
        f"the classes seem to be others: boxes of {few(pairs, 3)}",
        where=found.place(row),
        hint=hint,
    )


def _meant(called: Ints, true: Ints, classes: int) -> dict[int, tuple[int, int]]:
    """Class as found → the true class on which it nearly always lies, and how often it does."""
    pairs, counts = np.unique(called * classes + true, return_counts=True)
    every = np.bincount(called, minlength=classes)
    return {
        int(pair // classes): (int(pair % classes), int(count))
        for pair, count in zip(pairs, counts, strict=True)
        if every[pair // classes] >= LEAST and count >= CERTAIN * every[pair // classes]
    }


def _name(truth: Truth, label: int) -> str:
    name = truth.classes[label]
    return f"{truth.class_ids[label]} ({name})" if len(truth.class_ids) else f'"{name}"'
