"""WIDER FACE: a file of detections a picture, and the scores of easy, medium and hard faces."""

from __future__ import annotations

from ssd_data.metrics import Metric
from ssd_data.metrics.widerface import files, rules, truth

METRIC = Metric(
    title="WIDER FACE",
    example="EVENT/picture.txt",
    read_truth=lambda path, options: files.read_truth(path),
    sniff=files.sniff,
    read_detections=lambda path, truth, options: files.read_detections(path, truth),
    write_detections=lambda path, found, sizes, true, labelmap: files.write_widerface_folder(
        path, found, sizes, truth.face_label(labelmap) or 1
    ),
    score=rules.score,
    truth=truth.truth,
    plus=1,
    file_a_picture=True,
    names=truth.names,
    labels=lambda labelmap: [truth.face_label(labelmap) or 0],
    find_truth=truth.find_truth,
)
