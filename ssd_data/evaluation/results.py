"""What was found, in the metric's own files, and its scores: read back from those files."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ssd_data.core.errors import InputError
from ssd_data.core.notes import Tally
from ssd_data.core.structures import Detections
from ssd_data.evaluation.journal import Journal
from ssd_data.evaluation.sources import EvalSet
from ssd_data.metrics import ScoreOptions
from ssd_data.metrics.coco import files as coco
from ssd_data.metrics.coco.files import CocoTruth
from ssd_data.metrics.coco.rules import score_arrays as score_coco
from ssd_data.metrics.comparable import restricted
from ssd_data.metrics.scores import Found, Scores, Truth
from ssd_data.metrics.truth import category_ids, face_label
from ssd_data.metrics.voc import files as voc
from ssd_data.metrics.voc.rules import score_arrays as score_voc
from ssd_data.metrics.widerface import files as widerface
from ssd_data.metrics.widerface.rules import score_arrays as score_wider
from ssd_data.metrics.widerface.rules import widest

FAR = 1000.0  # sides of the picture
NOT_A_NUMBER = "picture with boxes or scores that are not a number (left out)"
FILES = {"voc": "detections", "coco": "detections.json", "widerface": "detections"}
NO_SEGMENTATION = "of the boxes: records and VOC's annotations state no other"
NO_LISTS = "all: every face that is not invalid; easy, medium and hard need the official lists"


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """A metric's result and what it was made of.

    Attributes:
        scores: the numbers.
        truth, found: of the pictures that were looked at.
        plus: what the metric adds to a box's sides.
        files: the detections in the metric's own format.
    """

    scores: Scores
    truth: Truth
    found: Found
    plus: int
    files: Path


class _Chosen(Mapping[str, Detections]):
    """The journal's detections of some pictures, read when they are asked for."""

    def __init__(self, journal: Journal, names: list[str]) -> None:
        self.journal, self.names, self.notes = journal, names, Tally()

    def __getitem__(self, name: str) -> Detections:
        found = self.journal[name]
        sound = ~np.isnan(found.boxes).any(axis=1) & np.isfinite(found.scores)
        if not sound.all():
            self.notes.add(NOT_A_NUMBER, name)
        # Untrained nets find boxes as wide as float32 goes: they overlap nothing either way.
        boxes = found.boxes[sound].clip(-FAR, FAR)
        return Detections(found.labels[sound], found.scores[sound], boxes)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


class _ById(Mapping[int, Detections]):
    """The same by COCO's image ids."""

    def __init__(self, chosen: _Chosen) -> None:
        self.chosen = chosen

    def __getitem__(self, image_id: int) -> Detections:
        return self.chosen[str(image_id)]

    def __iter__(self) -> Iterator[int]:
        return map(int, self.chosen)

    def __len__(self) -> int:
        return len(self.chosen)


def write_and_score(
    data: EvalSet,
    journal: Journal,
    folder: Path,
    options: ScoreOptions,
    *,
    limit: int | None = None,
    counted: Collection[str] = (),
) -> Scored:
    """Write the detections of the first ``limit`` pictures into ``folder`` and score them.

    The truth is restricted to those pictures; the result says so where the truth has others.

    Args:
        counted: pictures without detections that count as ones in which nothing was found.

    Raises:
        InputError: none was looked at.
        OutputError: the folder cannot be written.
    """
    names = data.names if limit is None else data.names[:limit]
    chosen = _Chosen(journal, [name for name in names if name in journal])
    looked_at = {*chosen.names, *counted}
    if not looked_at:
        raise InputError("no picture could be read", where=data.origin)
    total = data.truth.truth if isinstance(data.truth, CocoTruth) else data.truth
    whole = len(looked_at) == len(total.pictures)
    options = replace(options, missing="count" if whole else "skip", own_boxes=True)
    files = folder / FILES[data.metric]
    if files.is_dir():
        shutil.rmtree(files, ignore_errors=True)
    score = {"voc": _voc, "coco": _coco, "widerface": _wider}[data.metric]
    scored = score(data, chosen, looked_at, files, options)
    scored.scores.notes.merge(chosen.notes)
    return scored


def _scored(scores: Scores, truth: Truth, found: Found, plus: int, files: Path) -> Scored:
    return Scored(scores, *restricted(truth, found), plus, files)


def _looked_at(found: Found, truth: Truth, names: Collection[str]) -> Found:
    """Not by their boxes: pictures in which nothing was found were looked at, too."""
    return replace(found, has_entry=np.array([name in names for name in truth.pictures]))


def _voc(
    data: EvalSet, chosen: _Chosen, names: Collection[str], files: Path, options: ScoreOptions
) -> Scored:
    truth = data.truth
    assert isinstance(truth, Truth)
    sizes = truth.sizes.copy()  # what annotations do not state is known by now
    for i, name in enumerate(truth.pictures):
        if not sizes[i].all():
            sizes[i] = chosen.journal.sizes.get(name, (0, 0))
    truth = replace(truth, sizes=sizes)
    classes = {item.label: item.name for item in data.labelmap if item.label > 0}
    voc.write_voc_detections(files, chosen, chosen.journal.sizes, classes)
    found = _looked_at(voc.read_detections(files, truth), truth, names)
    return _scored(score_voc(truth, found, options), truth, found, 1, files)


def _coco(
    data: EvalSet, chosen: _Chosen, names: Collection[str], files: Path, options: ScoreOptions
) -> Scored:
    truth = data.truth
    assert isinstance(truth, CocoTruth)
    known = set(truth.category_ids.tolist())
    table = {label: n for label, n in category_ids(data.labelmap).items() if n in known}
    sizes = {int(name): size for name, size in chosen.journal.sizes.items()}
    coco.write_coco_results(files, _ById(chosen), sizes, table)
    found, xywh = coco.read_detections(files, truth)
    found = _looked_at(found, truth.truth, names)
    scores = score_coco(truth, found, xywh, options)
    if truth.truth.origin == str(data.origin):
        scores = replace(scores, rules={**scores.rules, "area": NO_SEGMENTATION})
    return _scored(scores, truth.truth, found, 0, files)


def _wider(
    data: EvalSet, chosen: _Chosen, names: Collection[str], files: Path, options: ScoreOptions
) -> Scored:
    truth = data.truth
    assert isinstance(truth, Truth)
    label = face_label(data.labelmap) or 1
    widerface.write_widerface_folder(files, chosen, chosen.journal.sizes, label)
    found = _looked_at(widerface.read_detections(files, truth), truth, names)
    scores = score_wider(truth, found, options)
    if "all" in truth.sets:
        scores = replace(scores, rules={**scores.rules, "sets": NO_LISTS})
    return _scored(scores, widest(truth), found, 1, files)
