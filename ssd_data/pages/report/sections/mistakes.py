"""Where the best snapshot of a run is wrong, the worst pictures first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ssd_data.core.errors import InputError, SsdDataError
from ssd_data.core.progress import Track
from ssd_data.core.scene import Mark, Scene, to_marks
from ssd_data.core.structures import Detections, Flags
from ssd_data.data.lmdb.records import Record
from ssd_data.data.lmdb.survey import class_name
from ssd_data.metrics.analysis import errors_by_picture, extras, mistakes
from ssd_data.metrics.scores import Floats, Found, Ints, Truth
from ssd_data.pages.report.blocks import (
    Block,
    Cell,
    Gallery,
    Note,
    Panel,
    Section,
    Table,
    Thumbnail,
)
from ssd_data.pages.report.options import RunView
from ssd_data.pages.report.run_subject import RunSubject
from ssd_data.pages.report.thumbnails import to_thumbnail
from ssd_data.pages.report.trial import Shown, Trial, open_trial
from ssd_data.training.run_folder import SavedModel

LEAD = (
    "Thick: false detections. Thick and dashed: true boxes that were missed. Thin: what is right. "
    "Each class counts from the score on at which its F1 is highest on these pictures; an overlap "
    "of 0.5 is a hit, difficult boxes do not count."
)
KINDS = ("hits", "missed", "classification", "localisation", "duplicate", "background")
HEAD = ("right", "missed", "other class", "inexact", "twice", "nothing there")
FAR = 1000.0  # sides of the picture
LISTED = 4


def section(subjects: Sequence[RunSubject], view: RunView, track: Track) -> Section:
    """The worst pictures of each run's best snapshot."""
    panels = [Panel(s.title, _blocks(s, view, track)) for s in subjects]
    return Section("mistakes", "Worst mistakes of the best snapshot", LEAD, (), panels)


def _blocks(subject: RunSubject, view: RunView, track: Track) -> list[Block]:
    best = subject.best()
    if best is None:
        return [Note("No snapshot is there any more.", "warning")]
    try:
        trial = open_trial(subject, view.test_pictures, view.device, track)
        return _worst(trial, *best, view.pictures)
    except SsdDataError as error:
        hint = f" {error.hint}." if error.hint else ""
        return [Note(f"The snapshot cannot be tried: {error.sentence}.{hint}", "warning")]


@dataclass(frozen=True, slots=True, eq=False)
class _Judged:
    """Detections and truth of some pictures, and which are wrong.

    Attributes:
        keys: of the pictures. labels: of the classes.
        shown, false: bool (N,), of the detections; missed: bool (M,), of the truth; see
            :func:`ssd_data.metrics.analysis.mistakes`.
    """

    keys: list[bytes]
    labels: list[int]
    truth: Truth
    found: Found
    shown: Flags
    false: Flags
    missed: Flags


def _worst(trial: Trial, weights: SavedModel, why: str, count: int) -> list[Block]:
    judged = _judge(trial, weights)
    number = len(judged.keys)
    errors = errors_by_picture(judged.truth, judged.found, judged.false, judged.missed)
    order = [i for i in np.argsort(-errors, kind="stable")[:count].tolist() if errors[i]]
    places = {judged.keys[i]: i for i in order}
    shown = trial.pictures(places)
    drawn = [_picture(one, judged, places[one.key], trial.subject) for one in shown]
    of = f"{number:,} of {trial.total:,}" if number < trial.total else f"all {number:,}"
    text = f"Iteration {weights.iteration:,} ({why}), on {of} test pictures: "
    text += f"{int((errors > 0).sum()):,} have mistakes."
    blocks: list[Block] = [Note(text), _table(judged)]
    return [*blocks, Gallery("most mistakes", drawn)] if drawn else blocks


def _judge(trial: Trial, weights: SavedModel) -> _Judged:
    """Run a snapshot over the pictures and match what it finds."""
    rows: list[tuple[bytes, tuple[int, int], Record, Detections]] = []
    done = trial.found(trial.engine(weights), trial.pictures(trial.keys))
    for one, detections in trial.track(done, len(trial.keys), trial.subject.title):
        size = one.pixels.shape[1], one.pixels.shape[0]
        rows.append((one.key, size, replace(one.record, data=b""), detections))
    if not rows:
        raise InputError("no picture can be read", where=trial.lmdb)
    keys, sizes, records, finds = zip(*rows, strict=True)
    labels = np.unique(np.concatenate([r.labels for r in (*records, *finds)]))
    names = tuple(class_name(label, trial.subject.labelmap) for label in labels.tolist())
    if len(set(names)) < len(names):
        names = tuple(map(str, labels.tolist()))  # they are keys below
    pixels = np.array(sizes, np.int64)
    truth = Truth(
        str(trial.lmdb),
        tuple(map(str, range(len(keys)))),
        names,
        *_joined(records, pixels, labels),
        np.concatenate([record.difficult for record in records]),
        pixels,
    )
    picture, label, boxes = _joined(finds, pixels, labels)
    scores = np.concatenate([found.scores for found in finds]).astype(np.float64)
    found = Found("", picture, label, scores, boxes, np.ones(len(keys), np.bool_))
    return _Judged([*keys], labels.tolist(), truth, found, *mistakes(truth, found, 0))


def _joined(
    parts: Sequence[Record | Detections], sizes: Ints, labels: Ints
) -> tuple[Ints, Ints, Floats]:
    """Picture, class and box in pixels of all boxes."""
    picture = np.repeat(np.arange(len(parts)), [len(part.labels) for part in parts])
    boxes = np.concatenate([part.boxes for part in parts]).astype(np.float64).clip(-FAR, FAR)
    label = np.searchsorted(labels, np.concatenate([part.labels for part in parts]))
    return picture, label, np.nan_to_num(boxes) * np.tile(sizes[picture], 2)


def _table(judged: _Judged) -> Table:
    """What became of the boxes of each class, from its best score on."""
    found = judged.found.rows(judged.shown)
    least = extras(judged.truth, judged.found, ["thresholds"], 0)["thresholds"]
    each = extras(judged.truth, found, ["errors"], 0)["errors"]["classes"]
    rows: list[list[Cell]] = []
    for name, counts in each.items():
        best = least[name]
        score = None if best is None else round(best["threshold"], 3)
        f1 = None if best is None else round(best["f1"], 3)
        rows.append([name, score, f1, *(counts[kind] for kind in KINDS)])
    return Table("", ["class", "from score", "F1", *HEAD], rows)


def _picture(one: Shown, judged: _Judged, index: int, subject: RunSubject) -> Thumbnail:
    """Detections and missed boxes of one picture."""
    truth, found = judged.truth, judged.found
    mine = np.flatnonzero(judged.shown & (found.picture == index))
    missed = np.flatnonzero(judged.missed & (truth.picture == index))
    size = np.tile(truth.sizes[index], 2)
    false = judged.false[mine].tolist()
    name, labels = partial(class_name, labelmap=subject.labelmap), np.array(judged.labels, np.int32)
    marks = [
        replace(mark, note=", false", marked=True) if wrong else mark
        for mark, wrong in zip(
            to_marks(name, labels[found.label[mine]], scores=found.scores[mine]), false, strict=True
        )
    ]
    marks += [
        replace(mark, note=", missed", dashed=True, marked=True)
        for mark in to_marks(name, labels[truth.label[missed]])
    ]
    boxes = np.concatenate([found.boxes[mine], truth.boxes[missed]]) / size
    facts = [f"{sum(false)} false, {len(missed)} missed", _listed(marks)]
    return to_thumbnail(one.name, one.pixels, Scene(boxes.astype(np.float32), marks), facts)


def _listed(marks: Sequence[Mark]) -> str:
    wrong = [mark.said for mark in marks if mark.marked]
    return "; ".join(wrong[:LISTED]) + (" …" if len(wrong) > LISTED else "")
