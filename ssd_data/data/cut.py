"""A small set cut from a large one: some of its classes, some of its records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random

import numpy as np
import numpy.typing as npt

from ssd_data.core.errors import InputError, UsageError
from ssd_data.core.labelmap import LabelMap
from ssd_data.core.structures import Labels
from ssd_data.data.lmdb.records import Record
from ssd_data.data.lmdb.store import LmdbReader
from ssd_data.data.lmdb.table import read_table


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """What is left of an LMDB.

    Attributes:
        labelmap: of what is left.
        rows: the records that are left, in order; int64.
        labels: per old label the new one, 0 where its boxes are left out; None where all stay.
    """

    labelmap: LabelMap
    rows: npt.NDArray[np.int64]
    labels: Labels | None = None

    def items(self, reader: LmdbReader) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values of the records that are left; others are not read."""
        if len(self.rows) == len(reader):
            yield from reader.items()
            return
        keys = reader.keys()
        for row in self.rows.tolist():
            yield keys[row], reader.value(keys[row])

    def only(self, record: Record) -> Record:
        """The record with the boxes that are left."""
        if self.labels is None:
            return record
        labels = self.labels[record.labels]
        keep = labels > 0
        return replace(
            record,
            labels=labels[keep],
            boxes=record.boxes[keep],
            difficult=record.difficult[keep],
            instance_ids=record.instance_ids[keep],
        )


def cut(
    reader: LmdbReader,
    labelmap: LabelMap,
    sample: int | None = None,
    classes: Sequence[str] = (),
    seed: int = 0,
) -> Cut:
    """Choose records: those that have one of ``classes``, and ``sample`` of them at random.

    Args:
        labelmap: of the LMDB; sound.
        sample: how many records, None for all.
        classes: names or display names, empty for all; the labelmap keeps their order.
        seed: of the choice.

    Raises:
        UsageError: a class is not in the labelmap.
        InputError: no record has one of the classes, or the LMDB is damaged.
    """
    rows = np.arange(len(reader))
    table = None
    if classes:
        labelmap, table = _narrowed(labelmap, classes)
        boxes = read_table(reader)
        known = (boxes.labels > 0) & (boxes.labels < len(table))
        kept = known & (table[np.where(known, boxes.labels, 0)] > 0)
        rows = np.unique(boxes.record[kept])
        if not len(rows):
            raise InputError(f"no record has a box of {', '.join(classes)}", where=reader.path)
    if sample is not None and sample < len(rows):
        rows = np.array(sorted(Random(seed).sample(rows.tolist(), sample)), np.int64)
    return Cut(labelmap, rows, table)


def _narrowed(labelmap: LabelMap, classes: Sequence[str]) -> tuple[LabelMap, Labels]:
    by_name = {item.display_name: item for item in labelmap if item.label > 0}
    by_name |= {item.name: item for item in labelmap if item.label > 0}
    for name in classes:
        if name not in by_name:
            near = labelmap.nearest(name)
            raise UsageError(
                f'no class "{name}" in {labelmap.origin}',
                where="--classes",
                hint=f'Did you mean "{near}"?' if near else "",
            )
    items = sorted({by_name[name] for name in classes}, key=lambda item: item.label)
    table: Labels = np.zeros(max(item.label for item in labelmap) + 1, np.int32)
    for label, item in enumerate(items, 1):
        table[item.label] = label
    names, shown = [item.name for item in items], [item.display_name for item in items]
    return LabelMap.from_names(names, shown, labelmap.origin), table
