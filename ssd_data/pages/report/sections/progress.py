"""What the snapshots of a run find in the same few test pictures, one after another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ssd_data.core.errors import SsdDataError
from ssd_data.core.progress import Track
from ssd_data.core.structures import Detections
from ssd_data.data.draw import found_scene, record_scene
from ssd_data.pages.report.blocks import Block, Gallery, Note, Panel, Section, Thumbnail
from ssd_data.pages.report.options import RunView
from ssd_data.pages.report.run_subject import RunSubject
from ssd_data.pages.report.thumbnails import to_thumbnail
from ssd_data.pages.report.trial import Shown, open_trial
from ssd_data.training.run_folder import SavedModel

MOST_SNAPSHOTS = 8
LEAST_SCORE = 0.3  # of what is drawn
SIDE = 256
LISTED = 4


def section(subjects: Sequence[RunSubject], view: RunView, track: Track) -> Section:
    """Each of some pictures of the test LMDB, its true boxes first, then each snapshot."""
    panels = [Panel(s.title, _blocks(s, view, track)) for s in subjects]
    lead = f"Drawn are detections with a score of {LEAST_SCORE:g} and more."
    return Section("progress", "Detections over time", lead, (), panels)


def _blocks(subject: RunSubject, view: RunView, track: Track) -> list[Block]:
    if not subject.kept:
        return [Note("No snapshot is there any more.", "warning")]
    chosen = chosen_snapshots(subject)
    try:
        trial = open_trial(subject, view.pictures, view.device, track)
        shown = list(trial.pictures(trial.keys))
        rows: list[list[Thumbnail]] = [[_true(one, subject)] for one in shown]
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


def chosen_snapshots(subject: RunSubject) -> list[SavedModel]:
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


def _true(one: Shown, subject: RunSubject) -> Thumbnail:
    scene = record_scene(one.record, subject.labelmap)
    return to_thumbnail("true boxes", one.pixels, scene, side=SIDE, cut=True)


def _found(one: Shown, found: Detections, weights: SavedModel, subject: RunSubject) -> Thumbnail:
    drawn = found.above(LEAST_SCORE)
    order = np.argsort(-drawn.scores, kind="stable")
    best = Detections(drawn.labels[order], drawn.scores[order], drawn.boxes[order])
    scene = found_scene(best, subject.labelmap)
    names = [mark.text for mark in scene.marks]
    facts = [", ".join(names[:LISTED]) + (" …" if len(names) > LISTED else "")] if names else []
    if not names:
        highest = max(found.scores.tolist(), default=None)
        facts = ["no score at all" if highest is None else f"the highest score is {highest:.2f}"]
    average = " (average)" if weights.is_average else ""
    title = f"iteration {weights.iteration:,}{average}"
    return to_thumbnail(title, one.pixels, scene, facts, SIDE, cut=True)
