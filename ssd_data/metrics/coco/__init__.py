"""COCO: one JSON of detections, and twelve numbers."""

from __future__ import annotations

from ssd_data.metrics import Metric
from ssd_data.metrics.coco import files, rules, truth

METRIC = Metric(
    title="COCO",
    example="a JSON file",
    read_truth=lambda path, options: files.read_truth(path),
    sniff=files.sniff,
    read_detections=lambda path, truth, options: files.read_detections(path, truth),
    write_detections=lambda path, found, sizes, true, labelmap: files.write_coco_results(
        path, found, sizes, truth.known_categories(labelmap, true)
    ),
    score=rules.score,
    truth=truth.truth,
    output="detections.json",
    names=truth.names,
    find_truth=truth.find_truth,
    remark=truth.remark,
    usual="COCO's rules, AP at overlaps of 0.5 to 0.95 (YOLO's mAP50-95) and AP50",
)
