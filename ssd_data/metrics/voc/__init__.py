"""Pascal VOC: a file of detections a class, and five numbers."""

from __future__ import annotations

from pathlib import Path

from ssd_data.core.labelmap import LabelMap
from ssd_data.metrics import Metric
from ssd_data.metrics.scores import Truth
from ssd_data.metrics.truth import TruthBuilder
from ssd_data.metrics.voc import files, rules


def names(pictures: TruthBuilder) -> tuple[str, ...]:
    """The files' names without ending; where two are the same, their paths. No spaces."""
    names = [Path(image).stem for image in pictures.images]
    if len(set(names)) < len(names):
        names = [str(Path(image).with_suffix("")) for image in pictures.images]
    return tuple("_".join(name.split()) for name in names)


def truth(pictures: TruthBuilder, labelmap: LabelMap, origin: Path, place: Path | None) -> Truth:
    """See :class:`ssd_data.metrics.Metric`; VOC has no other truth at another place."""
    return pictures.build(names(pictures), labelmap, origin)


METRIC = Metric(
    title="VOC",
    example="comp4_det_test_<class>.txt",
    read_truth=lambda path, options: files.read_truth(
        path, options.split, options.labelmap, options.follow_links
    ),
    sniff=files.sniff,
    read_detections=lambda path, truth, options: files.read_detections(
        path, truth, options.missing
    ),
    write_detections=lambda path, found, sizes, truth, labelmap: files.write_voc_detections(
        path, found, sizes, {item.label: item.name for item in labelmap if item.label > 0}
    ),
    score=rules.score,
    truth=truth,
    plus=1,
    needs_sizes=True,
    takes=("split", "labelmap", "iou"),
    names=names,
)
