"""An annotation's box: its ``bbox``, else the hull of its polygon or mask; what exports do to it.

Masks are run lengths down the columns, first of what is not the object (cocoapi's ``maskApi.c``).
CVAT states a turned rectangle as it was before the turn, and ``attributes.rotation`` in degrees,
clockwise, about its middle (``cvat/apps/dataset_manager/formats/transformations.py``).
"""

from __future__ import annotations

from itertools import accumulate
from typing import Any, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from ssd_data.data.formats.coco.jsonfile import BROKEN
from ssd_data.data.formats.hull import reach
from ssd_data.data.formats.numbers import FAR

Quad: TypeAlias = tuple[float, float, float, float]  # x, y, width, height
SLACK, SLACK_OF_FRACTIONS = 1.0, 1e-3
FEWEST, LEAST_SHARE = 3, 0.2  # boxes that must speak for corners
_decode_bbox = msgspec.json.Decoder(Quad).decode
_decode_texts = msgspec.json.Decoder(Quad, strict=False).decode


class _Outline(msgspec.Struct):
    segmentation: Any = None


class _Attributes(msgspec.Struct):
    occluded: Any = msgspec.UNSET
    rotation: Any = 0


_decode_outline = msgspec.json.Decoder(_Outline).decode
_decode_attributes = msgspec.json.Decoder(_Attributes).decode


def stated(raw: msgspec.Raw) -> Quad | str:
    """The four numbers of a ``bbox``; or what is wrong with it."""
    try:
        box: Quad = _decode_bbox(raw)
    except BROKEN as error:
        if not bytes(raw):
            return "bbox is missing"
        try:
            box = _decode_texts(raw)
        except BROKEN:
            return f"bbox is not four numbers: {error}"
    x, y, width, height = box
    if not (abs(x) < FAR and abs(y) < FAR and abs(width) < FAR and abs(height) < FAR):
        return "bbox is not four finite numbers"
    return box


def outline(annotation: msgspec.Raw) -> Any:
    """An annotation's ``segmentation``, which may be anything; None where there is none."""
    try:
        return _decode_outline(annotation).segmentation or None
    except BROKEN:
        return None


def hull(segmentation: Any) -> Quad | None:
    """The box of an outline: around all parts of a polygon, or the pixels of a mask.

    >>> hull([[2, 3, 8, 3, 8, 9], [0, 0, 1, 1, 0, 1]])
    (0.0, 0.0, 8.0, 9.0)
    >>> hull({"counts": [5, 2, 3, 1, 1], "size": [4, 3]})
    (1.0, 1.0, 2.0, 2.0)
    """
    if isinstance(segmentation, dict):
        return _hull_of_mask(segmentation.get("counts"), segmentation.get("size"))
    if not isinstance(segmentation, list) or not segmentation:
        return None
    parts = segmentation if isinstance(segmentation[0], list) else [segmentation]
    values = [value for part in parts if isinstance(part, list) for value in part]
    whole = all(isinstance(part, list) and len(part) % 2 == 0 for part in parts)
    if not whole or len(values) < 6 or not all(map(_is_coordinate, values)):
        return None
    across, down = values[0::2], values[1::2]
    left, top = float(min(across)), float(min(down))
    return left, top, max(across) - left, max(down) - top


def _is_coordinate(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < FAR


def _hull_of_mask(counts: object, size: object) -> Quad | None:
    runs = _runs(counts) if isinstance(counts, str) else counts
    if not isinstance(size, list) or len(size) != 2 or not isinstance(runs, list):
        return None
    if not all(type(n) is int and 0 <= n < 2**31 for n in (*size, *runs)):
        return None
    height, width = size
    ends = list(accumulate(runs))
    if not ends or ends[-1] > height * width:
        return None
    filled = [(a, b - 1) for a, b in zip(ends[0::2], ends[1::2], strict=False) if b > a]
    if not filled:
        return None
    left, right = filled[0][0] // height, filled[-1][1] // height
    whole = any(a // height != b // height for a, b in filled)
    top = 0 if whole else min(a % height for a, _ in filled)
    bottom = height - 1 if whole else max(b % height for _, b in filled)
    return float(left), float(top), float(right - left + 1), float(bottom - top + 1)


def _runs(text: str) -> list[int] | None:
    """Run lengths of a compressed mask: five bits a character, differences to the last but one."""
    runs: list[int] = []
    value = shift = 0
    for character in text:
        digit = ord(character) - 48
        if not 0 <= digit < 64 or shift > 30:
            return None
        value |= (digit & 31) << shift
        shift += 5
        if digit & 32:
            continue
        if digit & 16:
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value = shift = 0
    return runs if not shift else None


def cvat(attributes: msgspec.Raw) -> tuple[bool, float]:
    """Whether CVAT wrote them, which always states ``occluded``; and its ``rotation``."""
    try:
        found = _decode_attributes(attributes)
    except BROKEN:
        return False, 0.0
    turn = found.rotation
    turn = float(turn) if isinstance(turn, int | float) and abs(turn) < FAR else 0.0
    return found.occluded is not msgspec.UNSET, turn


def turned(box: Quad, degrees: float) -> Quad:
    """The upright box around one that is turned about its middle.

    >>> turned((10, 20, 40, 20), 90)
    (20.0, 10.0, 20.0, 40.0)
    """
    x, y, width, height = box
    wide, high = reach(width, height, degrees)
    left, top = x + (width - wide) / 2, y + (height - high) / 2
    return round(left, 4), round(top, 4), round(wide, 4), round(high, 4)


def could_be_corners(boxes: npt.NDArray[np.float32]) -> bool:
    """Whether the last two numbers are above the first two in every box, as corners' are."""
    return len(boxes) >= FEWEST and bool((boxes[:, 2:] > boxes[:, :2]).all())


def are_corners(boxes: npt.NDArray[np.float32], sides: npt.NDArray[np.int64]) -> bool:
    """Whether what should be x, y, width, height are two corners: all of them could be, and many
    would leave their picture otherwise.

    Args:
        boxes: float32 (N, 4), as stated.
        sides: int64 (N, 2), width and height of each one's picture, 0 where unknown.
    """
    if boxes.max(initial=0) <= 1:
        limits = np.full((len(boxes), 2), 1 + SLACK_OF_FRACTIONS)
    else:
        known = (sides > 0).all(axis=1)
        boxes, limits = boxes[known], sides[known] + SLACK
    leaving = (boxes[:, :2] + boxes[:, 2:] > limits).any(axis=1).sum()
    fit = (boxes[:, 2:] <= limits).all() and (boxes[:, :2] >= 0).all()
    return bool(
        could_be_corners(boxes) and fit and leaving >= max(FEWEST, LEAST_SHARE * len(boxes))
    )


def unstretched(
    boxes: npt.NDArray[np.float32], which: npt.NDArray[np.bool_], width: int, height: int
) -> npt.NDArray[np.float32]:
    """Label Studio's hulls of polygons in the pixels of the picture as it is turned.

    They are percent of it, multiplied by the sides as they are stored: ``width`` and ``height``.
    """
    mended = boxes.copy()
    mended[which] *= np.array([height / width, width / height] * 2, np.float32)
    return mended
