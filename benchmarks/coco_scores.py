"""A set as large as COCO's val2017, and its score by the library alone."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import hotcoco
import numpy as np

PICTURES, BOXES, CLASSES = 5_000, 36_781, 80


def write_coco(folder: Path, quick: bool) -> tuple[Path, Path]:
    """An instances JSON and as many detections near its boxes, a fifth of them of any class."""
    random = np.random.default_rng(3)
    count = BOXES // (100 if quick else 1)
    image, label = random.integers(1, PICTURES + 1, count), random.integers(1, CLASSES + 1, count)
    sides = np.exp(random.uniform(np.log(4), np.log(300), (count, 2)))
    boxes = np.column_stack([random.uniform(0, 400, (count, 2)), sides])
    near = random.integers(0, count, count)
    found = boxes[near] + random.normal(0, 4, (count, 4))
    found[:, 2:] = np.abs(found[:, 2:])
    said = np.where(random.random(count) < 0.2, random.integers(1, CLASSES + 1, count), label[near])
    truth = {
        "images": [
            {"id": i, "file_name": f"{i:012d}.jpg", "width": 640, "height": 480}
            for i in range(1, PICTURES + 1)
        ],
        "categories": [{"id": i, "name": f"class{i}"} for i in range(1, CLASSES + 1)],
        "annotations": [
            {"id": i, "image_id": where, "category_id": kind, "bbox": box, "iscrowd": 0}
            | {"area": box[2] * box[3]}
            for i, (where, kind, box) in enumerate(
                zip(image.tolist(), label.tolist(), boxes.tolist(), strict=True), 1
            )
        ],
    }
    rows = zip(
        image[near].tolist(), said.tolist(), found.tolist(), random.random(count), strict=True
    )
    results = [
        {"image_id": where, "category_id": kind, "bbox": box, "score": score}
        for where, kind, box, score in rows
    ]
    paths = folder / "instances_val2017.json", folder / "results.json"
    paths[0].write_text(json.dumps(truth))
    paths[1].write_text(json.dumps(results))
    return paths


def by_the_library(truth: Path, results: Path) -> float:
    """AP of the two files as hotcoco reads and scores them by itself."""
    true = hotcoco.COCO(str(truth))
    evaluator = hotcoco.COCOeval(true, true.load_res(str(results)), "bbox")
    evaluator.evaluate()
    evaluator.accumulate()
    with contextlib.redirect_stdout(io.StringIO()):
        evaluator.summarize()
    return float(evaluator.stats[0])
