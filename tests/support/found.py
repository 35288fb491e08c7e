"""Drawn sets of true boxes, and detectors good and poor on them, as arrays and as files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ssd_data.metrics.lines import CORNERS, SCORE, SIDES, Lines
from ssd_data.metrics.scores import Found, Truth
from support.scored import CocoScored, VocScored, Wider

COLUMNS = {"voc": ("image", SCORE, *CORNERS), "coco": (*SIDES, SCORE), "widerface": (*SIDES, SCORE)}
SIZE = np.array([1000, 750])
POOR = ("random", "priors", "whole", "tiny", "elsewhere", "rough", "shrunk", "one class", "weak")
SCALES: dict[str, Any] = {
    "fractions": lambda s: s,
    "rounded": lambda s: s.round(1),
    "per cent": lambda s: 100 * s,
    "logits": lambda s: np.log(s / (1 - s)),
}


def draw_truth(random: np.random.Generator, pictures: int = 20, classes: int = 3) -> Truth:
    """Pictures of 1000x750 with one to four objects."""
    number = random.integers(1, 5, pictures)
    picture = np.repeat(np.arange(pictures), number)
    sides = random.uniform(0.1, 0.45, (len(picture), 2)) * SIZE
    start = random.uniform(2, SIZE - sides)
    return Truth(
        "truth",
        tuple(map(str, range(pictures))),
        tuple("abcdefgh"[:classes]),
        picture,
        random.integers(0, classes, len(picture)),
        np.hstack([start, start + sides]).round(),
        np.zeros(len(picture), np.bool_),
        np.tile(SIZE, (pictures, 1)),
    )


def good(truth: Truth, random: np.random.Generator, scale: str = "fractions") -> Found:
    """A detector that finds four fifths of the objects, and about as much that is none."""
    rows = np.flatnonzero(random.random(len(truth.boxes)) < 0.8)
    sides = truth.boxes[rows, 2:] - truth.boxes[rows, :2]
    hits = truth.boxes[rows] + random.normal(0, 0.05, (len(rows), 4)) * np.tile(sides, 2)
    picture = random.integers(0, len(truth.pictures), len(rows))
    label = random.integers(0, len(truth.classes), len(rows))
    scores = np.append(random.beta(6, 2, len(rows)), random.beta(2, 6, len(rows)))
    return Found(
        "found",
        np.append(truth.picture[rows], picture),
        np.append(truth.label[rows], label),
        SCALES[scale](scores.clip(1e-6, 1 - 1e-6)),
        np.vstack([hits, _anywhere(random, len(rows))]),
        np.ones(len(truth.pictures), np.bool_),
    )


def perfect(truth: Truth) -> Found:
    """The true boxes, with scores that fall from one to the next."""
    scores = np.linspace(0.99, 0.1, len(truth.boxes))
    has_entry = np.ones(len(truth.pictures), np.bool_)
    return Found("found", truth.picture, truth.label, scores, truth.boxes.copy(), has_entry)


def poor(truth: Truth, random: np.random.Generator, kind: str, scale: str) -> Found:
    """A detector that has learned little or nothing; its file is as it should be."""
    each = int(random.choice([1, 3, 20]))
    picture = np.repeat(np.arange(len(truth.pictures)), each)
    label = random.integers(0, len(truth.classes), len(picture))
    boxes = _anywhere(random, len(picture))
    if kind == "priors":
        boxes = np.tile(_anywhere(random, each), (len(truth.pictures), 1))
        boxes += random.normal(0, 2, boxes.shape)
    elif kind == "whole":
        boxes = np.tile([0, 0, *SIZE], (len(picture), 1)) + random.normal(0, 1, (len(picture), 4))
    elif kind == "tiny":
        boxes[:, 2:] = boxes[:, :2] + random.uniform(1, 9, (len(boxes), 2))
    elif kind in ("elsewhere", "rough", "shrunk", "one class", "weak"):
        picture, label, boxes = truth.picture, truth.label, truth.boxes
        middle, sides = (boxes[:, 2:] + boxes[:, :2]) / 2, boxes[:, 2:] - boxes[:, :2]
        if kind == "elsewhere":
            picture = random.permutation(picture)
        elif kind == "rough":
            middle = middle + random.normal(0, 0.3, middle.shape) * sides
            sides = sides * np.exp(random.normal(0, 0.4, sides.shape))
        elif kind == "shrunk":
            sides = sides * random.uniform(0.4, 0.7, sides.shape)
        elif kind == "one class":
            label = np.zeros_like(label)
        boxes = np.hstack([middle - sides / 2, middle + sides / 2])
        if kind == "weak":
            known = random.random((len(boxes), 1)) < 0.1
            boxes = np.where(known, boxes, _anywhere(random, len(boxes)))
    if random.random() < 0.5:
        boxes = boxes.clip(0, np.tile(SIZE, 2))
    scores = SCALES[scale](random.uniform(1e-6, 1 - 1e-6, len(boxes)))
    has_entry = np.ones(len(truth.pictures), np.bool_)
    return Found("found", picture, label, scores, boxes, has_entry)


def _anywhere(random: np.random.Generator, number: int) -> Any:
    one, other = random.random((2, number, 2)) * SIZE
    return np.hstack([np.minimum(one, other), np.maximum(one, other)])


def in_columns(metric: str, found: Found, reading: Sequence[str] = ()) -> Found:
    """As a metric's reader takes it from files that were written with those columns.

    Args:
        reading: what the five numbers of a line are, by default what the metric expects.
    """
    expected = COLUMNS[metric][-5:]
    file = {"voc": found.label, "widerface": found.picture}.get(metric, 0 * found.label)
    found = found.rows(np.argsort(file, kind="stable"))
    numbers = as_numbers(found, reading or expected)
    names = {name: numbers[:, i] for i, name in enumerate(expected)}
    boxes = np.column_stack([names[name] for name in expected if name != SCORE])
    if metric != "voc":
        boxes[:, 2:] += boxes[:, :2]
    number, counts = np.unique(np.sort(file), return_counts=True)
    lines = Lines.of(COLUMNS[metric], [f"file{i}" for i in number], counts.tolist(), None)
    return replace(found, scores=names[SCORE], boxes=boxes, lines=lines)


def as_numbers(found: Found, reading: Sequence[str]) -> Any:
    """The five numbers of each line, (N, 5)."""
    values = {SCORE: found.scores, **dict(zip(CORNERS, found.boxes.T, strict=True))}
    values |= dict(
        zip(
            SIDES,
            [*found.boxes[:, :2].T, *(found.boxes[:, 2:] - found.boxes[:, :2]).T],
            strict=True,
        )
    )
    return np.column_stack([values[name] for name in reading])


def write_files(
    metric: str, folder: Path, truth: Truth, found: Found, reading: Sequence[str]
) -> Any:
    """Truth and detections as files; an object with their paths ``root`` or ``truth``, ``pred``."""
    rows = as_numbers(found, reading).round(4).tolist()
    labels, pictures = found.label.tolist(), found.picture.tolist()
    if metric == "voc":
        objects: dict[str, list[Any]] = {name: [] for name in truth.pictures}
        for picture, label, box in zip(
            truth.picture, truth.label, truth.boxes.tolist(), strict=True
        ):
            objects[truth.pictures[picture]].append((truth.classes[label], *map(int, box)))
        voc = VocScored(folder, objects, (1000, 750))
        for i, name in enumerate(truth.classes):
            lines = zip(labels, pictures, rows, strict=True)
            text = "".join(_line([truth.pictures[p], *row]) for k, p, row in lines if k == i)
            voc.file(name).write_text(text)
        return voc
    sides = truth.boxes - np.hstack([np.zeros((len(truth.boxes), 2)), truth.boxes[:, :2]])
    if metric == "widerface":
        names = [f"0--A/{name}" for name in truth.pictures]
        wider = Wider(folder, {n: sides[truth.picture == i].tolist() for i, n in enumerate(names)})
        for i, name in enumerate(names):
            wider.detect(name, [row for p, row in zip(pictures, rows, strict=True) if p == i])
        return wider
    coco = CocoScored(folder)
    coco.instances["images"] = [
        {"id": i, "width": 1000, "height": 750} for i in range(len(truth.pictures))
    ]
    coco.instances["categories"] = [{"id": i, "name": name} for i, name in enumerate(truth.classes)]
    coco.instances["annotations"] = [
        coco.annotation(*where, box)
        for *where, box in zip(
            truth.picture.tolist(), truth.label.tolist(), sides.tolist(), strict=True
        )
    ]
    coco.results = [
        {"image_id": p, "category_id": k, "bbox": row[:4], "score": row[4]}
        for p, k, row in zip(pictures, labels, rows, strict=True)
    ]
    coco.write()
    return coco


def _line(words: Sequence[object]) -> str:
    return " ".join(map(str, words)) + "\n"
