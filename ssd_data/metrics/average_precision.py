"""Average precision from scores and hits: the one place where all such sums are.

``11point``, ``MaxIntegral`` and ``Integral`` are those of the SSD branch (``ComputeAP`` in
``bbox_util.cpp``), in its single precision; ``VOC07`` and ``VOC10`` are the devkit's (``VOCap``),
in double precision. WIDER FACE takes the area of VOC10 from a curve of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ssd_data.core.errors import UsageError

Curve: TypeAlias = npt.NDArray[Any]
DEVKIT_VERSIONS = ("VOC07", "VOC10")
EPS = np.float32(1e-6)
# What MATLAB makes of 0:0.1:1, which it counts from both ends.
_LEVELS = np.array([*(i * 0.1 for i in range(6)), *(1 - i * 0.1 for i in range(4, -1, -1))])


def curve(
    scores: npt.NDArray[Any], hits: npt.NDArray[np.bool_], positives: int, dtype: Any = np.float64
) -> tuple[Curve, Curve]:
    """Recall and precision after each detection, by falling score; equal scores keep their order.

    Args:
        scores: (N,); hits: bool (N,), what is not a hit is a false positive.
        positives: how many true boxes there are; not 0.
        dtype: the divisions' precision.

    Returns:
        recall (N,), precision (N,).

    >>> curve(np.array([0.9, 0.8, 0.7]), np.array([True, False, True]), 4)
    (array([0.25, 0.25, 0.5 ]), array([1.        , 0.5       , 0.66666667]))
    """
    hit = hits[np.argsort(-scores, kind="stable")]
    found = np.cumsum(hit).astype(dtype)
    return found / dtype(positives), found / np.arange(1, len(hit) + 1).astype(dtype)


def average_precision(recall: Curve, precision: Curve, version: str) -> float:
    """The area under a curve, by one of :data:`VERSIONS`; 0 for a curve without points.

    Args:
        recall: (N,), rising; precision: (N,).
        version: its name.

    Raises:
        UsageError: there is no such version.

    >>> average_precision(np.array([0.5, 1.0]), np.array([1.0, 0.5]), "VOC10")
    0.75
    """
    if version not in VERSIONS:
        known = ", ".join(VERSIONS)
        raise UsageError(f'no AP version "{version}"', hint=f"There are {known}")
    return VERSIONS[version](recall, precision) if len(recall) else 0.0


def _eleven_points(recall: Curve, precision: Curve) -> float:
    """The best precision at a recall of at least 0, 0.1 … 1 (``j / 10.`` is a double there)."""
    highest = _from_here_on(precision)
    at = np.searchsorted(recall.astype(np.float64), np.arange(10, -1, -1) / 10.0, "left")
    terms = np.append(highest, np.float32(0))[at] / np.float32(11)
    return _summed(terms)


def _max_integral(recall: Curve, precision: Curve) -> float:
    highest = _from_here_on(precision)
    steps = recall[1:] - recall[:-1]
    terms = np.where(steps > EPS, highest[:-1] * steps, np.float32(0))[::-1]
    return _summed(np.append(terms, recall[0] * highest[0]))


def _integral(recall: Curve, precision: Curve) -> float:
    steps = np.diff(recall, prepend=np.float32(0))
    return _summed(np.where(steps > EPS, precision * steps, np.float32(0)))


def _voc07(recall: Curve, precision: Curve) -> float:
    at = np.searchsorted(recall, _LEVELS, "left")
    return float(sum(np.append(_from_here_on(precision), 0)[at] / 11))


def _voc10(recall: Curve, precision: Curve) -> float:
    """MATLAB's ``max`` passes over what is not a number, and so does this."""
    highest = _from_here_on(np.nan_to_num(precision, nan=0.0))
    return float(np.sum(np.diff(recall, prepend=0.0) * highest))


def _from_here_on(precision: Curve) -> Curve:
    """The best precision at this point or any later one."""
    highest: Curve = np.maximum.accumulate(precision[::-1])[::-1]
    return highest


def _summed(terms: Curve) -> float:
    """One after the other, rounded to the terms' precision each time, as a loop does it."""
    return float(np.add.accumulate(terms)[-1])


VERSIONS: dict[str, Callable[[Curve, Curve], float]] = {
    "11point": _eleven_points,
    "MaxIntegral": _max_integral,
    "Integral": _integral,
    "VOC07": _voc07,
    "VOC10": _voc10,
}
