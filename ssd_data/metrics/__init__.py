"""Scores by the rules of VOC, COCO and WIDER FACE: one file a metric, its name is its registration.

Each has ``score(truth, detections, options) -> Scores``.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from ssd_data.core.registry import METRICS
from ssd_data.metrics.scores import Scores


@dataclass(frozen=True, slots=True)
class Options:
    """How to score.

    Attributes:
        missing: "fail", "count" or "skip": pictures without detections.
        split: which image set of a VOC folder, or the path of a list.
        labelmap: VOC's classes; by default all that the truth has.
        iou: thresholds of overlap, for VOC.
        extras: any of :data:`ssd_data.metrics.analysis.EXTRAS`.
        trusted: the boxes are this package's own: nobody asks in which convention they are.
    """

    missing: str = "fail"
    split: str | None = None
    labelmap: Path | None = None
    iou: tuple[float, ...] = (0.5,)
    extras: tuple[str, ...] = ()
    trusted: bool = False


def score(metric: str, truth: Path, detections: Path, options: Options | None = None) -> Scores:
    """Score files that any tool made.

    Args:
        metric: "voc", "coco" or "widerface".
        truth: VOC: an image set's list or its folder, or an LMDB; COCO: an instances JSON; WIDER
            FACE: the official evaluation's ``ground_truth``.
        detections: VOC: a folder of ``comp4_det_test_<class>.txt``; COCO: a results JSON; WIDER
            FACE: a folder ``EVENT/picture.txt``.
        options: the defaults where None.

    Raises:
        InputError: a file cannot be read, or the two do not belong together.
        UsageError: there is no such metric.
        SsdDataError: what reads or scores it is not installed.
    """
    METRICS.check(metric)
    module = import_module(f"{__name__}.{metric}.rules")
    scores: Scores = module.score(Path(truth), Path(detections), options or Options())
    return scores
