"""What happens to boxes when their picture is cut, enlarged or resized.

Rows are float32 (N, 8) as in the label blob, boxes in columns 3 to 6 as fractions, xmin ymin xmax
ymax. A region is float32 (4,): fractions of the picture that it is cut from; one that is larger
than the picture leaves 0 … 1. All of it is single precision, as in the original.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ssd_data.core.overlaps import areas, coverages
from ssd_data.core.structures import Boxes, Flags
from ssd_data.data.lmdb.records import Record
from ssd_data.proto import caffe_pb2

Rows: TypeAlias = npt.NDArray[np.float32]
Region: TypeAlias = npt.NDArray[np.float32]
BOX = slice(3, 7)
COLUMNS = 8
WHOLE: Region = np.array([0, 0, 1, 1], np.float32)
WHOLE.setflags(write=False)


def rows_of(record: Record) -> Rows:
    """A record's boxes in its own order, item_id 0."""
    rows = np.zeros((len(record.labels), COLUMNS), np.float32)
    rows[:, 1] = record.labels
    rows[:, 2] = record.instance_ids
    rows[:, BOX] = record.boxes
    rows[:, 7] = record.difficult
    return rows


def project(rows: Rows, region: Region, constraint: caffe_pb2.EmitConstraint | None) -> Rows:
    """The rows as fractions of the region, cut at its border; those that it does not hold are gone.

    A box stays where the emit constraint keeps it and something of it lies inside
    (``TransformAnnotation``, ``ProjectBBox``).

    Args:
        rows: float32 (N, 8).
        region: float32 (4,).
        constraint: None keeps whatever lies inside in part.
    """
    if not len(rows):
        return rows
    low, high = region[:2], region[2:]
    boxes = rows[:, BOX]
    kept = ((boxes[:, :2] < high) & (boxes[:, 2:] > low)).all(1)
    if constraint is not None:
        kept &= emitted(boxes, region, constraint)
    moved = rows[kept]
    extent = high - low
    projected = (moved[:, BOX] - np.concatenate((low, low))) / np.concatenate((extent, extent))
    moved[:, BOX] = projected.clip(np.float32(0), np.float32(1))
    return moved[areas(moved[:, BOX]) > 0]


def large_enough(rows: Rows, width: int, height: int, least: int) -> Rows:
    """Those whose box is at least so many pixels wide and high in a picture of that size.

    SFD's authors leave faces under 6 pixels out of training (github.com/sfzhang15/SFD, issue 62).
    """
    boxes = rows[:, BOX]
    sides = (boxes[:, 2:] - boxes[:, :2]) * np.array((width, height), np.float32)
    return rows[(sides >= np.float32(least)).all(1)]


def emitted(boxes: Boxes, region: Region, constraint: caffe_pb2.EmitConstraint) -> Flags:
    """Which boxes an emit constraint keeps, bool (N,) (``MeetEmitConstraint``).

    CENTER: the centre lies in the region, its border included. MIN_OVERLAP: more than
    ``emit_overlap`` of the box lies in it.
    """
    if constraint.emit_type == caffe_pb2.EmitConstraint.CENTER:
        centers = (boxes[:, :2] + boxes[:, 2:]) / np.float32(2)
        return np.asarray(((centers >= region[:2]) & (centers <= region[2:])).all(1))
    return coverages(boxes, region[None])[:, 0] > np.float32(constraint.emit_overlap)
