"""Measure scoring: ``python -m benchmarks.scores``; the README explains what is compared."""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.coco_scores import by_the_library, write_coco
from benchmarks.shared import work_folder
from ssd_data.metrics import ScoreOptions, score
from ssd_data.metrics.voc.files import read_truth as read_voc
from ssd_data.metrics.widerface.files import read_truth as read_wider

OVERLAP = 0.5


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the sets, score them, and a part of them as the public port does it."""
    parser = argparse.ArgumentParser("python -m benchmarks.scores", description=__doc__)
    parser.add_argument("--ground-truth", type=Path, help="WIDER FACE's; else one is drawn")
    parser.add_argument("--dir", type=Path, help="work below this folder, else the current one")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a smoke test; figures mean nothing")
    parser.add_argument("--json", type=Path, help="keep the figures in this file")
    options = parser.parse_args(arguments)
    rounds = 1 if options.quick else options.rounds
    figures: dict[str, Any] = {}
    with work_folder(options.dir) as folder:
        truth = options.ground_truth or draw_wider_truth(folder / "truth", options.quick)
        pictures, a_picture = (60, 40) if options.quick else (4952, 100)
        write_wider(truth, folder / "pred", 20 if options.quick else 750)
        figures["widerface"] = measure(rounds, lambda: score("widerface", truth, folder / "pred"))
        figures["widerface"]["port"] = naive_wider(truth, folder / "pred", share=20)
        port = figures["widerface"]["port"]["seconds_for_all"]
        figures["widerface"]["ratio"] = port / figures["widerface"]["seconds"]
        write_voc(folder, pictures, a_picture)
        voc = folder / "VOC2007", folder / "results"
        figures["voc"] = measure(rounds, lambda: score("voc", *voc))
        figures["coco"] = beside_the_library(rounds, write_coco(folder, options.quick))
    figures["peak MiB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(figures, indent=1))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


def measure(rounds: int, run: Callable[[], Any]) -> dict[str, Any]:
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        result = run()
        seconds.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": median(seconds), "all": seconds, "peak MiB": peak, **result.counts}


def beside_the_library(rounds: int, coco: tuple[Path, Path]) -> dict[str, Any]:
    """Seconds of both, a round of one after a round of the other; the two APs are the same."""
    ours, theirs = [], []
    for _ in range(rounds):
        start = time.perf_counter()
        result = score("coco", *coco, ScoreOptions(missing="count"))
        ours.append(time.perf_counter() - start)
        start = time.perf_counter()
        ap = by_the_library(*coco)
        theirs.append(time.perf_counter() - start)
        if result.ap["AP"] is None or abs(result.ap["AP"] - ap) > 1e-9:
            raise SystemExit(f"AP {result.ap['AP']} is not {ap}")
    both = {"seconds": median(ours), "library": median(theirs)}
    return {**both, "ratio (target 2)": both["seconds"] / both["library"], **result.counts}


def draw_wider_truth(folder: Path, quick: bool) -> Path:
    """The four ``.mat`` files: 61 events, about as many pictures and faces as the real ones."""
    from scipy.io import savemat

    random = np.random.default_rng(0)
    events, chosen = cells(61), {name: cells(61) for name in ("easy", "medium", "hard")}
    files, faces = cells(61), cells(61)
    count = 2 if quick else 53
    for e in range(61):
        events[e, 0] = np.array([f"{e}--Event"])
        inside = [cells(count) for _ in range(5)]
        for i in range(count):
            n = int(random.geometric(1 / 12.3))
            size = np.exp(random.normal(3.2, 0.9, n)).clip(4, 500)
            place = random.uniform(0, 900, (n, 2))
            inside[0][i, 0] = np.array([f"{e}_Event_{i}"])
            inside[1][i, 0] = np.round(np.column_stack([place, size, size * 1.2]))
            for part, least in zip(inside[2:], (50, 30, 10), strict=True):
                part[i, 0] = np.flatnonzero(size >= least).reshape(-1, 1) + 1.0
        files[e, 0], faces[e, 0] = inside[:2]
        for name, part in zip(chosen, inside[2:], strict=True):
            chosen[name][e, 0] = part
    folder.mkdir()
    base = {"event_list": events, "file_list": files, "face_bbx_list": faces}
    savemat(folder / "wider_face_val.mat", base)
    for name, lists in chosen.items():
        savemat(folder / f"wider_{name}_val.mat", {**base, "gt_list": lists})
    return folder


def cells(count: int) -> Any:
    return np.empty((count, 1), object)


def write_wider(ground_truth: Path, folder: Path, a_picture: int) -> None:
    """So many boxes a picture around its faces, most of them off."""
    random = np.random.default_rng(1)
    truth = read_wider(ground_truth)
    starts = np.searchsorted(truth.picture, np.arange(len(truth.pictures) + 1))
    for i, name in enumerate(truth.pictures):
        faces = truth.boxes[starts[i] : starts[i + 1]]
        boxes = faces[random.integers(0, len(faces), a_picture)]
        boxes[:, 2:] -= boxes[:, :2]
        boxes += random.normal(0, 0.3, boxes.shape) * np.maximum(boxes[:, 2:3], 1)
        boxes[:, 2:] = np.maximum(boxes[:, 2:], 1)
        scores = np.sort(random.random(a_picture) ** 3)[::-1]
        rows = np.column_stack([boxes, scores]).tolist()
        lines = "".join(f"{x:.1f} {y:.1f} {w:.1f} {h:.1f} {s:.6f}\n" for x, y, w, h, s in rows)
        path = folder / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{name.split('/')[1]}\n{a_picture}\n{lines}")


def write_voc(folder: Path, pictures: int, a_picture: int) -> None:
    """VOC2007's 20 classes, 2.4 objects a picture, detections around them and elsewhere."""
    random = np.random.default_rng(2)
    classes = [f"class{n:02d}" for n in range(20)]
    root = folder / "VOC2007"
    (root / "Annotations").mkdir(parents=True)
    (root / "ImageSets" / "Main").mkdir(parents=True)
    lines: dict[str, list[str]] = {name: [] for name in classes}
    for i in range(pictures):
        name = f"{i:06d}"
        objects = ""
        boxes = []
        for _ in range(1 + random.poisson(1.4)):
            x, y = random.integers(1, 250, 2).tolist()
            box = [x, y, x + int(random.integers(20, 240)), y + int(random.integers(20, 120))]
            label = classes[int(random.integers(20))]
            boxes.append((label, box))
            corners = zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
            inner = "".join(f"<{k}>{v}</{k}>" for k, v in corners)
            objects += (
                f"<object><name>{label}</name><difficult>0</difficult>"
                f"<bndbox>{inner}</bndbox></object>\n"
            )
        text = f"<size><width>500</width><height>375</height></size>\n{objects}"
        (root / "Annotations" / f"{name}.xml").write_text(f"<annotation>{text}</annotation>\n")
        for k in range(a_picture):
            label, box = boxes[k % len(boxes)]
            if k > 10:
                label = classes[int(random.integers(20))]
            moved = np.array(box) + random.normal(0, 8, 4)
            where = " ".join(f"{v:.1f}" for v in moved)
            lines[label].append(f"{name} {random.random():.6f} {where}\n")
    names = "".join(f"{i:06d}\n" for i in range(pictures))
    (root / "ImageSets" / "Main" / "test.txt").write_text(names)
    shutil.rmtree(folder / "results", ignore_errors=True)
    (folder / "results").mkdir()
    for label, rows in lines.items():
        (folder / "results" / f"comp4_det_test_{label}.txt").write_text("".join(rows))
    read_voc(root)


def naive_wider(ground_truth: Path, folder: Path, share: int) -> dict[str, float]:
    """One picture in ``share`` as people's ports of the official tool do it, in plain NumPy.

    A picture after the other, a box after the other, 1,000 thresholds a picture, and all of it
    again for each of the three settings.
    """
    truth = read_wider(ground_truth)
    starts = np.searchsorted(truth.picture, np.arange(len(truth.pictures) + 1))
    chosen = range(0, len(truth.pictures), share)
    begin = time.perf_counter()
    for name in ("easy", "medium", "hard"):
        curve = np.zeros((1000, 2))
        for i in chosen:
            text = (folder / f"{truth.pictures[i]}.txt").read_text().split("\n")
            rows = np.array([line.split() for line in text[2:] if line], float)
            rows[:, 2:4] += rows[:, :2]
            faces = truth.boxes[starts[i] : starts[i + 1]]
            counted = truth.sets[name][starts[i] : starts[i + 1]]
            _naive_picture(rows, faces, counted, curve)
    seconds = time.perf_counter() - begin
    return {
        "pictures": len(chosen),
        "seconds": seconds,
        "seconds_for_all": seconds * len(truth.pictures) / len(chosen),
    }


def _naive_picture(rows: Any, faces: Any, counted: Any, curve: Any) -> None:
    found = np.zeros(len(faces))
    proposal, recalled = np.ones(len(rows)), np.zeros(len(rows))
    for h, row in enumerate(rows):
        w = np.minimum(row[2], faces[:, 2]) - np.maximum(row[0], faces[:, 0]) + 1
        t = np.minimum(row[3], faces[:, 3]) - np.maximum(row[1], faces[:, 1]) + 1
        both = w.clip(0) * t.clip(0)
        area = (faces[:, 2] - faces[:, 0] + 1) * (faces[:, 3] - faces[:, 1] + 1)
        own = (row[2] - row[0] + 1) * (row[3] - row[1] + 1)
        overlap = both / (area + own - both)
        at = int(overlap.argmax())
        if overlap[at] >= OVERLAP:
            if not counted[at]:
                found[at] = proposal[h] = -1
            elif found[at] == 0:
                found[at] = 1
        recalled[h] = np.count_nonzero(found == 1)
    for k in range(1000):
        above = np.flatnonzero(rows[:, 4] >= 1 - (k + 1) / 1000)
        if len(above):
            curve[k] += np.count_nonzero(proposal[: above[-1] + 1] == 1), recalled[above[-1]]


if __name__ == "__main__":
    sys.exit(main())
