"""SFD's multi-scale testing (S3FD, 2017), which published WIDER FACE figures come from.

A pass resizes the picture by a factor. ``most`` is that of the largest blob that its authors' Caffe
could hold:

    most = sqrt(0x7fffffff / 800 / (height * width * 3))

* at ``min(most, 1)``, the picture and its mirror image: all boxes;
* at 0.5, or at ``most / 2`` where ``most`` is below 0.75: boxes whose longer side is over 30;
* at ``min(2, most)`` where ``most`` is over 1, else halfway between the factor before and ``most``.
  Where ``most`` is over 2, also at the doubled factor, again and again until it is not below
  ``most`` any more (so the last may exceed it). Of all these, if the last factor is over 1, boxes
  whose shorter side is under 100 pixels, else those whose longer side is over 30.

All are voted on: the best box takes those that it overlaps by 0.3 or more; their mean, weighted by
score, gets the best's score. **A box that overlaps no other is thrown away.** The first 750 stay.
One is added to all sides when areas and sizes are computed, and to those of the result, which is
rounded as its authors' files are: corner and sides to a tenth of a pixel, scores to three decimals.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import cv2
import numpy as np

from ssd_data.core.errors import UsageError
from ssd_data.core.structures import Detections, Pixels
from ssd_data.engines import Engine
from ssd_data.evaluation.protocols import Plan
from ssd_data.evaluation.protocols._padded import detect_padded
from ssd_data.metrics.scores import Floats
from ssd_data.nets.preprocessing import Array, Preprocessing

Rows: TypeAlias = Floats  # (N, 5): xmin ymin xmax ymax in pixels, score
LARGEST_BLOB = 0x7FFFFFFF / 800
LARGE, SMALL = 30, 100
OVERLAP, MOST_BOXES = 0.3, 750


def detect(engine: Engine, picture: Pixels, preprocessing: Preprocessing) -> Detections:
    """What the multi-scale test finds; all of label 1.

    Args:
        picture: uint8 (height, width, 3), BGR, or gray (height, width).

    Raises:
        InputError: the net has no DetectionOutput.
    """
    height, width = picture.shape[:2]
    values = preprocessing.channelled(picture).astype(np.float32)
    most = float(np.sqrt(LARGEST_BLOB / (height * width * 3)))

    def at(factor: float, mirrored: bool = False) -> Rows:
        seen = np.ascontiguousarray(values[:, ::-1]) if mirrored else values
        return _pass(engine, seen, factor, preprocessing)

    first = min(most, 1.0)
    mirrored = at(first, mirrored=True)
    mirrored[:, [0, 2]] = width - mirrored[:, [2, 0]]
    half, larger = scales(most)
    small = at(half)
    small = small[_sides(small).max(axis=1) > LARGE]
    big = np.concatenate([at(factor) for factor in larger])
    sides = _sides(big)
    big = big[sides.min(axis=1) < SMALL if larger[-1] > 1 else sides.max(axis=1) > LARGE]
    voted = vote(np.concatenate([at(first), mirrored, small, big]))[:MOST_BOXES]
    corner = voted[:, :2].round(1)
    boxes = np.hstack([corner, corner + _sides(voted).round(1)]) / np.array([width, height] * 2)
    labels = np.ones(len(voted), np.int32)
    scores = voted[:, 4].round(3).astype(np.float32)
    return Detections(labels, scores, boxes.astype(np.float32))


def plan(preprocessing: Preprocessing, size: tuple[int, int] | None, batch: int = 1) -> Plan:
    """See :func:`ssd_data.evaluation.protocols.make_plan`.

    Raises:
        UsageError: a size is given.
    """
    if size is not None:
        raise UsageError("the protocol sfd chooses its sizes itself", where="--size")

    def run(engine: Engine, pictures: Sequence[Pixels]) -> list[Detections]:
        return [detect(engine, picture, preprocessing) for picture in pictures]

    return Plan(lambda picture: picture, run, gray=preprocessing.gray)


def scales(most: float) -> tuple[float, list[float]]:
    """The factor of the pass for large faces, and those of the passes after it."""
    half = 0.5 if most >= 0.75 else 0.5 * most
    factor = min(2.0, most) if most > 1 else (half + most) / 2
    larger = [factor]
    if most > 2:
        factor *= 2
        while factor < most:
            larger.append(factor)
            factor *= 2
        larger.append(factor)
    return half, larger


def _pass(engine: Engine, picture: Array, factor: float, preprocessing: Preprocessing) -> Rows:
    """What the net finds in the picture resized by a factor, in pixels of the picture itself."""
    if min(round(side * factor) for side in picture.shape[:2]) < 1:
        return np.zeros((0, 5))
    if factor != 1:
        picture = np.asarray(cv2.resize(picture, None, fx=factor, fy=factor), np.float32)
    height, width = picture.shape[:2]
    (found,) = detect_padded(engine, preprocessing.apply(picture, None)[None])
    # Not the picture's own size: what rounding added is part of their boxes.
    boxes = found.boxes.astype(np.float64) * (np.array([width, height] * 2) / factor)
    rows: Rows = np.column_stack([boxes, found.scores])
    return rows[np.isfinite(rows).all(axis=1)]


def _sides(rows: Rows) -> Floats:
    """Widths and heights, (N, 2); one is added, as everywhere here."""
    return rows[:, 2:4] - rows[:, :2] + 1


def vote(rows: Rows) -> Rows:
    """Box voting, by falling score; float64 (K, 5)."""
    rows = rows[np.argsort(-rows[:, 4], kind="stable")]
    area = _sides(rows).prod(axis=1)
    voted: list[list[float]] = []
    left = np.arange(len(rows))
    while len(left) and len(voted) < MOST_BOXES:
        best, others = rows[left[0]], rows[left]
        sides = np.minimum(best[2:4], others[:, 2:4]) - np.maximum(best[:2], others[:, :2]) + 1
        both = sides.clip(0).prod(axis=1)
        near = both >= OVERLAP * (area[left[0]] + area[left] - both)
        near[0] = True  # an inverted box overlaps not even itself
        if near.sum() > 1:
            weights = others[near, 4]
            mean = (others[near, :4] * weights[:, None]).sum(axis=0) / weights.sum()
            voted.append([*mean, best[4]])
        left = left[~near]
    return np.array(voted, np.float64).reshape(-1, 5)
