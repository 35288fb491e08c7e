"""Detections that one of two sides alone has: which of them rounding explains."""

from __future__ import annotations

import numpy as np

from ssd_data.core.overlaps import overlaps
from ssd_data.core.structures import Detections, Flags
from ssd_data.engines import Array
from ssd_data.proto import caffe_pb2

SCORE, COORDINATE = 1e-4, 1e-3  # within these a detection of one engine is one of the other
NEAR = 1e-4  # of a threshold: rounding decides what happens there


def nearest(ours: Detections, theirs: Detections) -> tuple[Array, Flags]:
    """For each of ours how far the nearest of theirs is, and whether there is none.

    Coordinates differ in fractions of the picture; of boxes larger than it, of the box.
    """
    best = np.full(len(ours), np.inf, np.float32)
    for label in np.unique(ours.labels):
        own, same = ours.labels == label, theirs.only(theirs.labels == label)
        if len(same):
            best[own] = _far(ours.only(own), same).min(1)
    alone = ~np.isfinite(best)
    return np.where(alone, 0, best).astype(np.float32), alone


def _far(ours: Detections, theirs: Detections) -> Array:
    """How far each is from each; infinitely, where one is not the other."""
    score = np.abs(ours.scores[:, None] - theirs.scores)
    size = np.maximum(np.abs(ours.boxes).max(1), 1)
    place = np.abs(ours.boxes[:, None] - theirs.boxes).max(2) / size[:, None]
    far: Array = np.maximum(score, place)
    far[(score > SCORE) | (place > COORDINATE)] = np.inf
    return far


def unexplained(
    sides: tuple[Detections, Detections],
    alone: tuple[Flags, Flags],
    param: caffe_pb2.DetectionOutputParameter,
    boxes: Detections | None = None,
) -> int:
    """How many of those that are alone did not fall at a threshold or to one as good, nor for the
    sake of one that did: what rounding keeps on one side takes others with it there."""
    if not (alone[0].any() or alone[1].any()):
        return 0
    fell = [_fell(sides[k], sides[1 - k], alone[k], param) for k in (0, 1)]
    limit, changed = param.nms_param.nms_threshold - NEAR, True
    if boxes is not None:
        tied, least = _tied(sides, alone, boxes, limit), _last_scores(boxes, param.nms_param.top_k)
        for k in (0, 1):
            fell[k] |= tied[k] | _at_the_cut(sides[k], alone[k], boxes, least)
    while changed:
        changed = False
        for ours, theirs, side in ((*sides, 0), (*sides[::-1], 1)):
            takers = theirs.only(fell[1 - side])
            for i in np.flatnonzero(alone[side] & ~fell[side]):
                better = (takers.labels == ours.labels[i]) & (
                    takers.scores >= ours.scores[i] - NEAR
                )
                shared = overlaps(ours.boxes[i : i + 1], takers.boxes[better])
                if (shared > limit).any():
                    fell[side][i] = changed = True
    return sum(int((alone[k] & ~fell[k]).sum()) for k in (0, 1))


def _fell(
    ours: Detections, theirs: Detections, alone: Flags, param: caffe_pb2.DetectionOutputParameter
) -> Flags:
    """Which of those that are alone fell at a threshold, where rounding decides."""
    keep, least = param.keep_top_k, param.confidence_threshold
    limit = param.nms_param.nms_threshold
    full = len(theirs) > 0 and 0 <= keep <= len(theirs)  # then it left out what scores less
    last = theirs.scores.min() if full else -np.inf
    fell: Flags = alone & ((ours.scores <= last + NEAR) | (np.abs(ours.scores - least) <= NEAR))
    for i in np.flatnonzero(alone & ~fell):
        better = (theirs.labels == ours.labels[i]) & (theirs.scores >= ours.scores[i] - NEAR)
        shared = overlaps(ours.boxes[i : i + 1], theirs.boxes[better])
        fell[i] = bool((np.abs(shared - limit) <= NEAR).any())
    return fell


def _tied(
    sides: tuple[Detections, Detections],
    alone: tuple[Flags, Flags],
    boxes: Detections,
    limit: float,
) -> tuple[Flags, Flags]:
    """Which of those that are alone overlap one of equal score that is alone on the other side: one
    of the two had to go. A box that the first side's net does not give at all is none of them."""
    found = np.zeros_like(alone[0]), np.zeros_like(alone[1])
    given = ~nearest(sides[1], boxes)[1]
    for i in np.flatnonzero(alone[0]):
        same = alone[1] & given & (sides[1].labels == sides[0].labels[i])
        same &= np.abs(sides[1].scores - sides[0].scores[i]) <= NEAR
        same &= overlaps(sides[0].boxes[i : i + 1], sides[1].boxes)[0] > limit
        found[0][i] = same.any()
        found[1][same] = True
    return found


def _last_scores(boxes: Detections, most: int) -> dict[int, float]:
    """Label → the score of the last box that is looked at, of classes with more than ``top_k``."""
    found = {}
    for label in np.unique(boxes.labels).tolist():
        own = boxes.scores[boxes.labels == label]
        if 0 < most < len(own):
            found[label] = float(np.partition(own, -most)[-most])
    return found


def _at_the_cut(
    ours: Detections, alone: Flags, boxes: Detections, least: dict[int, float]
) -> Flags:
    """Which of those that are alone score as the last of their class that is looked at: of several
    with that score some had to go. They have to be boxes of the first side's net."""
    last = np.array([least.get(int(label), np.inf) for label in ours.labels])
    found: Flags = alone & (np.abs(ours.scores - last) <= NEAR)
    found[found] = ~nearest(ours.only(found), boxes)[1]
    return found
