"""Measure scores of detections that may not fit in memory: ``python -m benchmarks.many``.

The same detections are scored in files, as many are, and all in memory, by turns, each in a process
of its own whose memory is watched. The scores must be the same to the last digit.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.scores import draw_wider_truth, write_voc, write_wider
from benchmarks.shared import (
    Context,
    Memory,
    Result,
    Topic,
    mebibytes,
    run_child,
    run_topic,
)

PICTURES, CLASSES = 5000, 80
WIDER_PICTURES = 61 * 53
Paths = tuple[Path, Path]


def main(arguments: Sequence[str] | None = None) -> int:
    """Score by turns, and print the table."""
    parser = argparse.ArgumentParser("python -m benchmarks.many", description=__doc__)
    parser.add_argument("--detections", type=int, default=2_400_000, help="of each metric")
    parser.add_argument("--rounds", type=int, default=3)
    return run_topic(
        parser,
        lambda setting, asked: measure(setting, 3000 if asked.quick else asked.detections),
        arguments,
    )


def measure(setting: Context, count: int) -> Topic:
    """Of each metric time and memory in files over all in memory."""
    results: list[Result] = []
    for metric, (truth, found) in drawn(setting.folder, count, setting.quick).items():
        runs: dict[str, list[Memory]] = {"files": [], "memory": []}
        for _ in range(setting.rounds):
            for way, taken in runs.items():
                many = 0 if way == "files" else 1 << 60
                given = {"metric": metric, "truth": truth, "found": found, "many": many}
                taken.append(run_child(setting, "score", **given))
        results += _compared(metric, runs)
    about = f"{count:,} detections each, {setting.rounds} rounds, processes of their own"
    return Topic("Scores in files over scores in memory", results, [about])


def _compared(metric: str, runs: dict[str, list[Memory]]) -> Iterator[Result]:
    if len({json.dumps(one.answer["scores"]) for taken in runs.values() for one in taken}) > 1:
        raise SystemExit(f"{metric}: the scores differ")

    def middle(way: str, what: str) -> float:
        return median(one.answer[what] for one in runs[way])

    for what, unit in (("cpu", "s of CPU"), ("seconds", "s")):
        ours, theirs = middle("files", what), middle("memory", what)
        pairs = zip(runs["files"], runs["memory"], strict=True)
        ratio = median(a.answer[what] / b.answer[what] for a, b in pairs)
        yield Result(f"{metric}: {unit}", f"{ours:.1f}", f"{theirs:.1f}", ratio)
    own = {way: median(one.anonymous or 0 for one in taken) for way, taken in runs.items()}
    mapped = median(one.file or 0 for one in runs["files"])
    shown = f"{mebibytes(own['files'])}, of files {mebibytes(mapped)}"
    times = own["files"] / own["memory"] if own["memory"] else None
    yield Result(f"{metric}: peak memory", shown, mebibytes(own["memory"]), times)


def drawn(folder: Path, count: int, quick: bool) -> dict[str, Paths]:
    """Truth and detections of each metric."""
    pictures = 30 if quick else 4952
    write_voc(folder, pictures, max(1, count // pictures))
    truth = draw_wider_truth(folder / "wider", quick)
    faces = 61 * 2 if quick else WIDER_PICTURES
    write_wider(truth, folder / "pred", max(1, count // faces))
    return {
        "voc": (folder / "VOC2007", folder / "results"),
        "coco": write_coco(folder, count),
        "widerface": (truth, folder / "pred"),
    }


def write_coco(folder: Path, count: int) -> Paths:
    """An instances JSON of 7 objects a picture, and detections near them."""
    random = np.random.default_rng(3)
    boxes = np.column_stack(
        [random.uniform(0, 400, (7 * PICTURES, 2)), random.uniform(4, 200, (7 * PICTURES, 2))]
    )
    image = np.arange(len(boxes)) // 7 + 1
    label = random.integers(1, CLASSES + 1, len(boxes))
    truth: dict[str, Any] = {
        "images": [
            {"id": i, "file_name": f"{i}.jpg", "width": 640, "height": 480}
            for i in range(1, PICTURES + 1)
        ],
        "categories": [{"id": i, "name": f"class{i}"} for i in range(1, CLASSES + 1)],
        "annotations": [
            {"id": i, "image_id": a, "category_id": b, "bbox": c, "iscrowd": 0, "area": c[2] * c[3]}
            for i, (a, b, c) in enumerate(
                zip(image.tolist(), label.tolist(), boxes.tolist(), strict=True), 1
            )
        ],
    }
    paths = folder / "instances.json", folder / "found.json"
    paths[0].write_text(json.dumps(truth))
    with paths[1].open("w") as file:
        for start in range(0, count, 100_000):
            near = random.integers(0, len(boxes), min(100_000, count - start))
            moved = boxes[near] + random.normal(0, 4, (len(near), 4))
            scores = random.random(len(near))
            columns = (image[near], label[near], np.abs(moved).round(2), scores.round(5))
            rows = zip(*(one.tolist() for one in columns), strict=True)
            lines = [
                f'{{"image_id":{i},"category_id":{c},"bbox":{b},"score":{s}}}'
                for i, c, b, s in rows
            ]
            file.write(("," if start else "[") + ",".join(lines))
        file.write("]")
    return paths


if __name__ == "__main__":
    sys.exit(main())
