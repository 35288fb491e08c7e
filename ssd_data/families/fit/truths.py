"""The true boxes of an LMDB as a net's input shows them; no picture is decoded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ssd_data.batches.augment import resize
from ssd_data.batches.augment.rows import BOX, COLUMNS, WHOLE, Rows, project
from ssd_data.core.errors import InputError
from ssd_data.core.progress import Track, untracked
from ssd_data.core.structures import Boxes, Labels
from ssd_data.data.lmdb.store import LmdbReader
from ssd_data.data.lmdb.table import BoxTable, read_table
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


def read_truths(lmdb: Path | str, layout: Layout, track: Track = untracked) -> Truths:
    """All boxes of an LMDB as the net's loss is given them, without crops and expansion.

    Raises:
        InputError: it is no LMDB, a record is no AnnotatedDatum, or no box is left.
    """
    with LmdbReader(lmdb) as reader:
        table = read_table(reader, track)
    rows = np.concatenate(list(_resized(table, layout)))
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
    return Truths(table.names, picture, inside[:, BOX], labels, left_out)


_HIGH = 20  # a float32 holds whole numbers up to 2^24: a record's index lies in two columns


def _resized(table: BoxTable, layout: Layout) -> Iterator[Rows]:
    """The rows of each record, its boxes moved as its picture is resized."""
    whole = np.zeros((len(table.boxes), COLUMNS), np.float32)
    whole[:, 0], whole[:, 2] = table.record & ((1 << _HIGH) - 1), table.record >> _HIGH
    whole[:, 1], whole[:, BOX], whole[:, 7] = table.labels, table.boxes, table.difficult
    whole[~table.finite, BOX] = 0  # without area: left out with those
    for (width, height), mine in zip(table.sizes.tolist(), table.rows(), strict=True):
        rows = whole[mine]
        yield resize.move(rows, layout.transform.resize_param, width, height) if len(rows) else rows
