"""Which records a choice means, in their order."""

from __future__ import annotations

import numpy as np

from ssd_data.core.structures import Flags
from ssd_data.metrics.scores import Floats, Ints
from ssd_data.pages.viewer.choice import MISTAKE_SORTS, MISTAKES, Choice
from ssd_data.pages.viewer.index import Indexed
from ssd_data.pages.viewer.judged import Judged


def select(records: Ints, indexed: Indexed, choice: Choice, judged: Judged | None = None) -> Ints:
    """Those of some records that a choice means, in its order; int64 (K,)."""
    kept = np.zeros(len(indexed), np.bool_)
    kept[records] = True
    boxes = matching(indexed, choice)
    if choice.about_boxes:
        kept &= indexed.have(boxes)
    if choice.problem in indexed.problems:
        kept &= indexed.problems[choice.problem]
    elif choice.problem in MISTAKES and judged is not None:
        kept &= judged.mistakes(choice.score)[choice.problem] > 0
    chosen = np.flatnonzero(kept)
    return chosen[np.argsort(_ranks(indexed, choice, boxes, judged)[chosen], kind="stable")]


def matching(indexed: Indexed, choice: Choice) -> Flags:
    """Which boxes are of the class and size that are asked for, bool (M,)."""
    boxes = np.ones(len(indexed.labels), np.bool_)
    if choice.label is not None:
        boxes &= indexed.labels == choice.label
    if choice.least is not None:
        boxes &= indexed.lengths >= choice.least
    if choice.most is not None:
        boxes &= indexed.lengths <= choice.most
    return boxes


def _ranks(indexed: Indexed, choice: Choice, boxes: Flags, judged: Judged | None) -> Floats | Ints:
    """What records are sorted by, the lowest first; (P,)."""
    sort = choice.sort or ("key" if judged is None else "errors")
    if sort == "boxes":
        return -indexed.count(boxes)
    if sort == "smallest":
        smallest = np.full(len(indexed), np.inf)
        sized = boxes & indexed.finite
        np.minimum.at(smallest, indexed.record[sized], indexed.lengths[sized])
        return smallest
    if sort in MISTAKE_SORTS and judged is not None:
        mistakes = judged.mistakes(choice.score)
        if sort == "errors":
            return -mistakes["missed"] - mistakes["false"] - mistakes["poor"]
        return -mistakes[sort]
    return np.zeros(len(indexed), np.int64)
