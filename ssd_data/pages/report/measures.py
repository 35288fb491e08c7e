"""A few numbers of each record and each box, kept while an LMDB is looked through."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ssd_data.core.structures import Boxes, Flags, Labels
from ssd_data.data.lmdb.survey import Look


@dataclass(slots=True)
class Measures:
    """Of an LMDB's records, in order; a box's row names its record.

    Attributes:
        keys: of the records, as stored. names: the same as text that can be printed.
        faults: per record what is wrong with it; empty where nothing is.
    """

    keys: list[bytes] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    _sizes: array[int] = field(default_factory=lambda: array("i"))
    _counts: array[int] = field(default_factory=lambda: array("i"))
    _owner: array[int] = field(default_factory=lambda: array("i"))
    _labels: array[int] = field(default_factory=lambda: array("i"))
    _boxes: array[float] = field(default_factory=lambda: array("f"))
    _difficult: array[int] = field(default_factory=lambda: array("b"))

    def add(self, seen: Look) -> None:
        """Take in one record; of one that cannot be read no boxes."""
        index = len(self.keys)
        self.keys.append(seen.key)
        self.names.append(seen.name)
        self.faults.append(seen.fault)
        record = seen.record
        sound = record is not None and seen.error is None
        self._sizes.extend((record.width, record.height) if record and sound else (0, 0))
        count = len(record.labels) if record and sound else 0
        self._counts.append(count)
        if record and count:
            self._owner.extend([index] * count)
            self._labels.extend(record.labels.tolist())
            self._boxes.frombytes(record.boxes.tobytes())
            self._difficult.extend(record.difficult.tolist())

    @property
    def sizes(self) -> npt.NDArray[np.int32]:
        """(records, 2), width and height in pixels; 0 where they cannot be read."""
        return np.array(self._sizes, np.int32).reshape(-1, 2)

    @property
    def counts(self) -> npt.NDArray[np.int32]:
        """(records,), boxes."""
        return np.array(self._counts, np.int32)

    @property
    def owner(self) -> npt.NDArray[np.int32]:
        """(boxes,), each box's record."""
        return np.array(self._owner, np.int32)

    @property
    def labels(self) -> Labels:
        """(boxes,)."""
        return np.array(self._labels, np.int32)

    @property
    def boxes(self) -> Boxes:
        """(boxes, 4), fractions."""
        return np.array(self._boxes, np.float32).reshape(-1, 4)

    @property
    def difficult(self) -> Flags:
        """(boxes,)."""
        return np.array(self._difficult, np.bool_)

    def sides(self) -> npt.NDArray[Any]:
        """Widths and heights in pixels, float64 (boxes, 2); odd ones are as they are."""
        boxes = self.boxes.astype(np.float64)
        with np.errstate(invalid="ignore"):  # of infinite corners
            return (boxes[:, 2:] - boxes[:, :2]) * self.sizes[self.owner]

    def sound(self) -> Flags:
        """Which boxes are finite and have an area; bool (boxes,)."""
        with np.errstate(invalid="ignore"):
            return np.asarray(np.isfinite(self.boxes).all(1) & (self.sides() > 0).all(1))
