"""Which records of an LMDB are worth a look: by their numbers alone, no picture is decoded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ssd_data.core.boxes import is_outside
from ssd_data.data.lmdb.table import BoxTable

LONGEST, TINIEST = 8.0, 2.0  # of a suspicious box: its aspect ratio, its shorter side in pixels
SLACK = 0.01  # of a side: what rounding leaves outside is not suspicious


@dataclass(slots=True)
class Pick:
    """One record to show.

    Attributes:
        index: its place among the records.
        why: what is to be said of it.
        zoom: the box to show from near; None for the whole picture.
        boxes: those that it is shown for, by their place in the record.
    """

    index: int
    why: list[str] = field(default_factory=list)
    zoom: int | None = None
    boxes: set[int] = field(default_factory=set)


def random(measures: BoxTable, count: int, seed: int) -> list[Pick]:
    """Any records that can be read, in their order."""
    sound = np.flatnonzero([not fault for fault in measures.faults])
    chosen = np.random.default_rng(seed).permutation(sound)[:count]
    return [Pick(int(index)) for index in np.sort(chosen)]


def crowded(measures: BoxTable, count: int) -> list[Pick]:
    """The records with most boxes."""
    counts = measures.count()
    order = np.argsort(-counts, kind="stable")[:count]
    named = ((i, f"{counts[i]:,} box{'es' if counts[i] != 1 else ''}") for i in order if counts[i])
    return [Pick(int(i), [text]) for i, text in named]


def smallest(measures: BoxTable, count: int) -> list[Pick]:
    """The records with the smallest sound boxes, each shown from near."""
    sides, owner = measures.sides, measures.record
    rows = np.flatnonzero(measures.sound)
    rows = rows[np.argsort(sides[rows].prod(1), kind="stable")]
    first = np.sort(np.unique(owner[rows], return_index=True)[1])[:count]
    within = _within(owner)
    found = []
    for row in rows[first]:
        place, size = int(within[row]), "{:.3g} x {:.3g} pixels".format(*sides[row])
        found.append(Pick(int(owner[row]), [size], place, {place}))
    return found


def suspicious(measures: BoxTable, count: int) -> list[Pick]:
    """Records with boxes that may be mistakes, the oddest kinds first, one of each kind in turn."""
    found: dict[int, Pick] = {}
    kinds, within = [], _within(measures.record)
    for what, rows in _odd(measures).items():
        places: dict[int, list[int]] = {}
        for index, place in zip(measures.record[rows].tolist(), within[rows].tolist(), strict=True):
            places.setdefault(index, []).append(place)
        for index, boxes in places.items():
            pick = found.setdefault(index, Pick(index))
            pick.why.append(f"{len(boxes)} boxes: {what}" if len(boxes) > 1 else what)
            pick.boxes.update(boxes)
        kinds.append(list(places))
    turns = [owners[turn] for turn in range(count) for owners in kinds if turn < len(owners)]
    return [found[index] for index in dict.fromkeys(turns)][:count]


def broken(measures: BoxTable, count: int) -> list[Pick]:
    """Records that cannot be read."""
    wrong = [index for index, fault in enumerate(measures.faults) if fault]
    return [Pick(index, [measures.faults[index]]) for index in wrong[:count]]


def _odd(measures: BoxTable) -> dict[str, npt.NDArray[Any]]:
    """Rows of boxes by what is odd about them."""
    boxes, sides, sound = measures.boxes, measures.sides, measures.sound
    finite = np.isfinite(boxes).all(1)
    with np.errstate(all="ignore"):
        ratio = sides[:, 0] / sides[:, 1]
        far = is_outside(boxes) & ((boxes < -SLACK) | (boxes > 1 + SLACK)).any(1)
        long = (ratio > LONGEST) | (ratio < 1 / LONGEST)
        tiny = sides.min(1, initial=np.inf) < TINIEST
    table = np.column_stack([measures.record, measures.labels, boxes])
    order = np.lexsort(table.T)
    again = np.zeros(len(table), np.bool_)
    again[order[1:]] = (table[order[1:]] == table[order[:-1]]).all(1)
    flags = {
        "a corner is no finite number": ~finite,
        "inverted or without area": finite & ~sound,
        "leaves the picture": sound & far,
        "stands twice": sound & again,
        f"longer than {LONGEST:g}:1": sound & long,
        f"a side under {TINIEST:g} pixels": sound & tiny,
    }
    return {what: rows for what, flag in flags.items() if len(rows := np.flatnonzero(flag))}


def _within(owner: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Each box's place in its record."""
    return np.arange(len(owner)) - np.searchsorted(owner, owner)
