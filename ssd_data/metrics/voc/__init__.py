"""Pascal VOC: a file of detections a class, and five numbers."""

from __future__ import annotations

from ssd_data.metrics import Metric
from ssd_data.metrics.voc import files, rules, truth

METRIC = Metric(
    title="VOC",
    example="comp4_det_test_<class>.txt",
    read_truth=lambda path, options: files.read_truth(path, options.split, options.labelmap),
    sniff=files.sniff,
    read_detections=lambda path, truth, options: files.read_detections(
        path, truth, options.missing
    ),
    write_detections=lambda path, found, sizes, truth, labelmap: files.write_voc_detections(
        path, found, sizes, {item.label: item.name for item in labelmap if item.label > 0}
    ),
    score=rules.score,
    truth=truth.truth,
    plus=1,
    needs_sizes=True,
    takes=("split", "labelmap", "iou"),
    names=truth.names,
)
