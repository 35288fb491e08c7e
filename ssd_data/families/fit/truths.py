"""The true boxes of an LMDB as a net's input shows them; no picture is decoded."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ssd_data.batches.augment import resize
from ssd_data.batches.augment.rows import BOX, COLUMNS, WHOLE, Rows, project
from ssd_data.core.errors import InputError
from ssd_data.core.progress import Track, untracked
from ssd_data.core.structures import Boxes, Labels
from ssd_data.data.lmdb.skim import Skimmed, skim
from ssd_data.data.lmdb.store import LmdbReader
from ssd_data.data.lmdb.survey import printable
from ssd_data.families.fit.layout import Layout

DIFFICULT, ABSENT = "difficult: the net's loss leaves them out", "nothing of them is inside"


@dataclass(frozen=True, slots=True, eq=False)
class Truths:
    """Boxes, ordered by picture.

    Attributes:
        keys: of all records, as text.
        picture: int64 (N,), index of each box's record in ``keys``.
        boxes: float32 (N, 4), fractions of the input.
        labels: int32 (N,).
        left_out: how many boxes are not here, and why.
    """

    keys: list[str]
    picture: npt.NDArray[np.int64]
    boxes: Boxes
    labels: Labels
    left_out: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.boxes)

    def rows(self, which: npt.NDArray[Any]) -> Truths:
        """Those of the given indices or flags."""
        picture, boxes, labels = self.picture[which], self.boxes[which], self.labels[which]
        return Truths(self.keys, picture, boxes, labels, self.left_out)


def read_truths(lmdb: Path | str, layout: Layout, track: Track = untracked) -> Truths:
    """All boxes of an LMDB as the net's loss is given them, without crops and expansion.

    Raises:
        InputError: it is no LMDB, a record is no AnnotatedDatum, or no box is left.
    """
    keys: list[str] = []
    tables: list[Rows] = []
    with LmdbReader(lmdb) as reader:
        for key, value in track(reader.views(), len(reader), "records"):
            try:
                seen = skim(key, value)
            except InputError as error:
                raise InputError(error.sentence, where=lmdb, hint=error.hint) from None
            keys.append(printable(key.decode("utf-8", "backslashreplace")))
            tables.append(_resized(seen, layout, len(tables)))
    rows = np.concatenate(tables)
    left_out = {}
    if not layout.rules.use_difficult and (hard := int(rows[:, 7].sum())):
        left_out[DIFFICULT] = hard
        rows = rows[rows[:, 7] == 0]
    transform = layout.transform
    emit = transform.emit_constraint if transform.HasField("emit_constraint") else None
    inside = project(rows, WHOLE, emit)
    if len(inside) < len(rows):
        left_out[ABSENT] = len(rows) - len(inside)
    if not len(inside):
        raise InputError("there is no box to match", where=lmdb)
    picture = inside[:, 0].astype(np.int64) + (inside[:, 2].astype(np.int64) << _HIGH)
    labels = inside[:, 1].astype(np.int64).astype(np.int32)
    return Truths(keys, picture, inside[:, BOX], labels, left_out)


_HIGH = 20  # a float32 holds whole numbers up to 2^24: a record's index lies in two columns


def _resized(seen: Skimmed, layout: Layout, index: int) -> Rows:
    rows = np.zeros((len(seen.labels), COLUMNS), np.float32)
    if not len(rows):
        return rows
    rows[:, 0], rows[:, 2] = index & ((1 << _HIGH) - 1), index >> _HIGH
    rows[:, 1], rows[:, BOX], rows[:, 7] = seen.labels, seen.corners, seen.difficult
    finite = np.isfinite(rows[:, BOX]).all(1)
    rows[~finite, BOX] = 0  # without area: left out with those
    return resize.move(rows, layout.transform.resize_param, seen.width, seen.height)
