"""What people ask for besides the official numbers, from the same boxes and at an overlap of 0.5.

None of this is part of a metric's own rules: matching here is greedy by falling score within a
picture and class, each true box is found once, and detections on ignored boxes do not count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from ssd_data.core.errors import InputError, UsageError
from ssd_data.core.overlaps import areas, best_overlaps
from ssd_data.core.structures import Flags
from ssd_data.metrics.average_precision import average_precision, curve
from ssd_data.metrics.matching import match, match_classes
from ssd_data.metrics.scores import Found, Ints, Truth

OVERLAP = 0.5
TOUCH = 0.1
CONFUSION_SCORE = 0.5
MOST_CONFUSED = 2000  # classes: a table has the square of it
SIZES = {"small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, np.inf)}
KINDS = ("classification", "localisation", "duplicate", "background")
Table: TypeAlias = dict[str, Any]


def extras(truth: Truth, found: Found, wanted: Sequence[str], plus: int) -> dict[str, Any]:
    """The wanted ones of :data:`EXTRAS` by name.

    Args:
        truth, found: as they were scored.
        wanted: names; none gives an empty table.
        plus: as in :func:`ssd_data.core.overlaps.jaccard`.

    Raises:
        UsageError: there is no such extra.
    """
    if unknown := [name for name in wanted if name not in EXTRAS]:
        raise UsageError(f'no extra "{unknown[0]}"', hint=f"There are {', '.join(EXTRAS)}")
    if not wanted:
        return {}
    found = by_score(found)
    return {name: EXTRAS[name](truth, found, plus) for name in wanted}


def by_score(found: Found) -> Found:
    """The same detections by falling score."""
    return found.rows(np.argsort(-found.scores, kind="stable"))


def by_size(truth: Truth, found: Found, plus: int) -> Table:
    """AP (VOC10) of small, medium and large boxes, mean over the classes that have some.

    True boxes of another size are ignored, and so are unmatched detections of another size.
    """
    result: Table = {}
    true_area, found_area = areas(truth.boxes), areas(found.boxes)
    by_class = _of_classes(found.label, len(truth.classes))
    for name, (least, most) in SIZES.items():
        fits = (true_area >= least) & (true_area < most)
        mine = replace(truth, ignored=truth.ignored | ~fits)
        best, _, hits, passed = match_classes(mine, found, OVERLAP, plus)
        other = (found_area < least) | (found_area >= most)
        counted = ~passed & ~(other & (best < OVERLAP))
        aps = []
        for every, positives in zip(by_class, mine.positives, strict=True):
            rows = every[counted[every]]
            if positives:
                recall, precision = curve(found.scores[rows], hits[rows], positives)
                aps.append(average_precision(recall, precision, "VOC10"))
        result[name] = {"ap": float(np.mean(aps)) if aps else None, "truths": sum(mine.positives)}
    return result


def _of_classes(label: Ints, number: int) -> list[Ints]:
    """The rows of each class, in their order."""
    order = np.argsort(label, kind="stable")
    return np.split(order, np.searchsorted(label[order], np.arange(1, number)))[:number]


def best_thresholds(truth: Truth, found: Found, plus: int) -> Table:
    """Per class the score from which on F1 is highest, with precision and recall there."""
    _, _, hits, passed = match_classes(truth, found, OVERLAP, plus)
    result: Table = {}
    by_class = _of_classes(found.label, len(truth.classes))
    for name, positives, every in zip(truth.classes, truth.positives, by_class, strict=True):
        rows = every[~passed[every]]
        scores = found.scores[rows]
        if not positives or not len(scores):
            result[name] = None
            continue
        recall, precision = curve(scores, hits[rows], positives)
        f1 = 2 * recall * precision / np.maximum(recall + precision, 1e-12)
        # A threshold takes all detections of one score or none.
        last = np.append(scores[1:] != scores[:-1], True)
        at = int(np.where(last, f1, -1).argmax())
        result[name] = {
            "threshold": float(scores[at]),
            "f1": float(f1[at]),
            "precision": float(precision[at]),
            "recall": float(recall[at]),
        }
    return result


def confusion(truth: Truth, found: Found, plus: int) -> Table:
    """What each true class is taken for, by the detections of a score of at least 0.5.

    Classes play no part in the matching: by falling score a detection takes the true box of its
    picture that it overlaps most, if that is still free. ``background`` as a column are missed
    boxes, as a row detections of nothing.
    """
    if len(truth.classes) > MOST_CONFUSED:
        text = f"a table of {len(truth.classes):,} classes and as many would be too large"
        raise InputError(text, where=truth.origin, hint="Ask for it without confusion")
    sure = found.rows(found.scores >= CONFUSION_SCORE)
    label = sure.label
    _, index, taken, passed = match(
        sure.boxes, sure.picture, truth.boxes, truth.picture, truth.ignored, OVERLAP, plus
    )
    number = len(truth.classes)
    missed = ~truth.ignored
    missed[index[taken]] = False
    wide = number + 1
    cells = [
        truth.label[index[taken]] * wide + label[taken],
        truth.label[missed] * wide + number,
        number * wide + label[~taken & ~passed],
    ]
    table = np.bincount(np.concatenate(cells), minlength=wide * wide).reshape(wide, wide)
    return {"classes": [*truth.classes, "background"], "table": table.tolist()}


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """What each detection is.

    Attributes:
        index: int64 (N,), the true box of its class that it overlaps most, -1 where there is none.
        hits, passed: bool (N,), found an object; lies on an ignored one and does not count.
        kinds: each of :data:`KINDS` → bool (N,). Each detection is one of all these.
    """

    index: Ints
    hits: Flags
    passed: Flags
    kinds: Mapping[str, Flags]

    def missed(self, truth: Truth, counted: Flags | None = None) -> Flags:
        """Which true boxes nothing has found, bool (M,); of some detections only, bool (N,).

        Those must be the best of their class: what a detection is does not depend on worse ones.
        """
        missed: Flags = ~truth.ignored
        missed[self.index[self.hits if counted is None else self.hits & counted]] = False
        return missed


def judge(truth: Truth, found: Found, plus: int) -> Judgement:
    """Which kind of error each detection is.

    ``duplicate``: on a true box of its class that is found already; ``classification``: on a true
    box of another class; ``localisation``: overlaps one of its class by at least 0.1;
    ``background``: none of these.

    Args:
        found: by falling score, as :func:`by_score` sorts them.
    """
    best, index, hits, passed = match_classes(truth, found, OVERLAP, plus)
    other, other_index = best_overlaps(found.boxes, found.picture, truth.boxes, truth.picture, plus)
    wrong = ~hits & ~passed
    duplicate = wrong & (best >= OVERLAP)
    on_other = other >= OVERLAP
    on_other[on_other] = ~truth.ignored[other_index[on_other]]
    classification = wrong & ~duplicate & on_other
    localisation = wrong & ~duplicate & ~classification & (best >= TOUCH)
    background = wrong & ~duplicate & ~classification & ~localisation
    parts = (classification, localisation, duplicate, background)
    return Judgement(index, hits, passed, dict(zip(KINDS, parts, strict=True)))


def errors(truth: Truth, found: Found, plus: int) -> Table:
    """How many detections are false, of which kind (see :func:`judge`); how many boxes missed."""
    judged = judge(truth, found, plus)
    missed = judged.missed(truth)

    number = len(truth.classes)
    labels = {
        name: found.label[flags] for name, flags in {"hits": judged.hits, **judged.kinds}.items()
    } | {"missed": truth.label[missed]}
    counts = {name: np.bincount(one, minlength=number).tolist() for name, one in labels.items()}
    each = {
        name: {kind: count[label] for kind, count in counts.items()}
        for label, name in enumerate(truth.classes)
    }
    return {"all": {kind: sum(count) for kind, count in counts.items()}, "classes": each}


def mistakes(truth: Truth, found: Found, plus: int) -> tuple[Flags, Flags, Flags]:
    """Which boxes are wrong at each class's best threshold (:func:`best_thresholds`).

    Returns:
        bool (N,): the detections that reach it; bool (N,): those of them that are false; bool
        (M,): the true boxes that they miss. All in the order of ``found`` and ``truth``.
    """
    thresholds = best_thresholds(truth, by_score(found), plus).values()
    least = np.array([np.inf if row is None else row["threshold"] for row in thresholds])
    shown = found.scores >= least[found.label]
    rows = np.flatnonzero(shown)
    rows = rows[np.argsort(-found.scores[rows], kind="stable")]
    _, index, hits, passed = match_classes(truth, found.rows(rows), OVERLAP, plus)
    missed = ~truth.ignored
    missed[index[hits]] = False
    false = np.zeros(len(shown), np.bool_)
    false[rows] = ~hits & ~passed
    return shown, false, missed


def errors_by_picture(truth: Truth, found: Found, false: Flags, missed: Flags) -> Ints:
    """How many errors each picture has, int64 (P,), of what :func:`mistakes` says."""
    number = len(truth.pictures)
    wrong = np.bincount(found.picture[false], minlength=number)
    return wrong + np.bincount(truth.picture[missed], minlength=number)


EXTRAS: Mapping[str, Callable[[Truth, Found, int], Table]] = {
    "by-size": by_size,
    "confusion": confusion,
    "thresholds": best_thresholds,
    "errors": errors,
}
