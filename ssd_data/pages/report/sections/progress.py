"""What the snapshots of a run find in the same few test pictures, one after another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ssd_data.core.errors import SsdDataError
from ssd_data.core.progress import Track
from ssd_data.core.structures import Detections
from ssd_data.data.lmdb.survey import class_name
from ssd_data.pages.report.blocks import Block, Gallery, Note, Panel, Picture, Section
from ssd_data.pages.report.run_subject import RunSubject, Weights
from ssd_data.pages.report.scenes import Scene, to_picture
from ssd_data.pages.report.trial import Shown, open_trial

MOST_SNAPSHOTS = 8
LEAST_SCORE = 0.3  # of what is drawn
SIDE = 256
LISTED = 4


def section(
    subjects: Sequence[RunSubject], count: int, device: str | None, track: Track
) -> Section:
    """Each of some pictures of the test LMDB, its true boxes first, then each snapshot.

    Args:
        count: pictures of each run.
    """
    panels = [Panel(s.title, _blocks(s, count, device, track)) for s in subjects]
    lead = f"Drawn are detections with a score of {LEAST_SCORE:g} and more."
    return Section("progress", "Detections over time", lead, (), panels)


def _blocks(subject: RunSubject, count: int, device: str | None, track: Track) -> list[Block]:
    if not subject.kept:
        return [Note("No snapshot is there any more.", "warning")]
    chosen = chosen_snapshots(subject)
    try:
        trial = open_trial(subject, count, device, track)
        shown = list(trial.pictures(trial.keys))
        rows: list[list[Picture]] = [[_true(one, subject)] for one in shown]
        for weights in track(chosen, len(chosen), f"{subject.title}, snapshots"):
            engine = trial.engine(weights)
            for row, (one, found) in zip(rows, trial.found(engine, shown), strict=True):
                row.append(_found(one, found, weights, subject))
    except SsdDataError as error:
        hint = f" {error.hint}." if error.hint else ""
        return [Note(f"The snapshots cannot be tried: {error.sentence}.{hint}", "warning")]
    blocks: list[Block] = []
    if len(chosen) < len(subject.kept):
        blocks.append(Note(f"{len(chosen)} of {len(subject.kept)} snapshots are shown."))
    galleries = zip(shown, rows, strict=True)
    return [*blocks, *(Gallery(one.name, row) for one, row in galleries)]


def chosen_snapshots(subject: RunSubject) -> list[Weights]:
    """The first, the last, the best and some between, in order."""
    kept = subject.kept
    places = np.linspace(0, len(kept) - 1, min(len(kept), MOST_SNAPSHOTS)).round().astype(int)
    chosen = {kept[i] for i in places.tolist()}
    if (best := subject.best()) is not None and best[0] not in chosen:
        nearest = min(
            chosen - {kept[0], kept[-1]}, key=lambda w: abs(w.iteration - best[0].iteration)
        )
        chosen = chosen - {nearest} | {best[0]}
    return sorted(chosen, key=lambda w: w.iteration)


def _true(one: Shown, subject: RunSubject) -> Picture:
    record = one.record
    labels = record.labels.tolist()
    names = [class_name(label, subject.labelmap) for label in labels]
    scene = Scene(record.boxes, labels, names, {*np.flatnonzero(record.difficult).tolist()})
    return to_picture("true boxes", one.pixels, scene, subject.labelmap, side=SIDE, cut=True)


def _found(one: Shown, found: Detections, weights: Weights, subject: RunSubject) -> Picture:
    drawn = found.above(LEAST_SCORE)
    order = np.argsort(-drawn.scores, kind="stable")
    labels = drawn.labels[order].tolist()
    names = [
        f"{class_name(label, subject.labelmap)} {score:.2f}"
        for label, score in zip(labels, drawn.scores[order].tolist(), strict=True)
    ]
    facts = [", ".join(names[:LISTED]) + (" …" if len(names) > LISTED else "")] if names else []
    if not names:
        best = max(found.scores.tolist(), default=None)
        facts = ["no score at all" if best is None else f"the highest score is {best:.2f}"]
    average = " (average)" if weights.is_average else ""
    title = f"iteration {weights.iteration:,}{average}"
    scene = Scene(drawn.boxes[order], labels, names)
    return to_picture(title, one.pixels, scene, subject.labelmap, facts, SIDE, cut=True)
