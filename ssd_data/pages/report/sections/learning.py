"""The curves of a training: loss, rate, scores and speed, several runs in one drawing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ssd_data.data.lmdb.survey import class_name
from ssd_data.pages.report.blocks import Bar, Block, Cell, Chart, Note, Section, Table
from ssd_data.pages.report.curves import MOST_CURVES, chart
from ssd_data.pages.report.history import Points, known
from ssd_data.pages.report.run_subject import RunSubject

NOTE = "Pictures a second and the share of time spent on waiting are medians; hours, all sessions'."
MOST_SHARED_CLASSES = 12  # that several runs are compared by, a drawing each
HEAD = (
    "iterations", "last loss", "best score", "at", "last score", "pictures/s", "waiting", "hours",
)  # fmt: skip


def section(subjects: Sequence[RunSubject]) -> Section:
    """All that was recorded over the iterations."""
    blocks: list[Block] = [Table("", ["run", *HEAD], [_row(s) for s in subjects])]
    blocks.append(Note(NOTE))
    blocks += [found for found in _charts(subjects) if found is not None]
    blocks += _classes(subjects)
    for subject in subjects:
        whose = f"{subject.title}: " if len(subjects) > 1 else ""
        blocks += [Note(whose + note, "warning") for note in subject.notes]
        if subject.history.is_log:
            text = "A log of Caffe's has neither the loss's parts nor the time spent on waiting."
            blocks.append(Note(whose + text))
    lead = "Losses are smoothed as the solver's average_loss says; their parts are of one batch."
    return Section("learning", "How it learns", lead, blocks)


def _row(subject: RunSubject) -> list[Cell]:
    history = subject.history
    found, waiting = history.summary(), _middle(history.waiting())
    return [
        subject.title,
        found["iterations"],
        _rounded(found["loss"]),
        _rounded(found["best_score"]),
        found["best_iteration"],
        _rounded(found["last_score"]),
        _middle(history.speed(subject.pictures())),
        None if waiting is None else f"{100 * waiting:.3g}%",
        round(found["seconds"] / 3600, 2) or None,
    ]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _last(points: Points) -> float | None:
    values = known(points)[1]
    return float(values[-1]) if len(values) else None


def _middle(points: Points) -> float | None:
    values = known(points)[1]
    return float(np.median(values)) if len(values) else None


def _charts(subjects: Sequence[RunSubject]) -> Iterator[Chart | None]:
    def all_of(*path: str) -> list[tuple[str, Points]]:
        return [(s.title, s.history.trained(*path)) for s in subjects]

    if len(subjects) == 1:
        history = subjects[0].history
        parts = [(name, history.trained("parts", name)) for name in ("loc", "conf")]
        there = [(name, points) for name, points in parts if len(known(points)[1])]
        yield chart("Loss and its parts", [("loss", history.trained("loss")), *there])
    else:
        yield chart("Loss", all_of("loss"))
        yield chart("Loss of locations (loc)", all_of("parts", "loc"))
        yield chart("Loss of confidences (conf)", all_of("parts", "conf"))
    yield from _scores(subjects)
    yield chart("Learning rate", all_of("lr"), log=True)
    yield chart("Priors matched in a batch", all_of("parts", "matches"))
    speeds = [(s.title, s.history.speed(s.pictures())) for s in subjects]
    yield chart("Pictures a second", speeds)
    waits = [(s.title, s.history.waiting()) for s in subjects]
    yield chart("Share of time spent on waiting for data", waits, share=True)


def _scores(subjects: Sequence[RunSubject]) -> Iterator[Chart | None]:
    """Each output of each test net; the first one is a detector's mean AP."""
    found = {output: None for s in subjects for output in s.history.outputs()}
    detectors = {name for s in subjects if s.history.classes() for name in s.history.outputs()[:1]}
    for net, name in [*found][:MOST_CURVES]:
        title = f"{name} of test net {net}" if net else name
        series = [(s.title, s.history.tested(net, "outputs", name)) for s in subjects]
        values = np.concatenate([points[1] for _, points in series])
        share = bool(((values >= 0) & (values <= 1) | np.isnan(values)).all())
        yield chart(f"mAP ({name})" if (net, name) in detectors else title, series, share=share)
    losses = [(s.title, s.history.tested(0, "loss")) for s in subjects]
    yield chart("Test loss", losses)


def _classes(subjects: Sequence[RunSubject]) -> list[Block]:
    """AP of each class: of one run some in a drawing, of several runs a drawing a class."""
    labels = sorted({label for s in subjects for label in s.history.classes()})
    if not labels:
        return []

    def points(subject: RunSubject, label: int) -> Points:
        return subject.history.tested(0, "per_class", str(label))

    labelmap = next((s.labelmap for s in subjects if s.labelmap is not None), None)
    names = {label: class_name(label, labelmap) for label in labels}
    charts: list[Chart | None] = []
    if len(subjects) == 1:
        own = [(names[label], points(subjects[0], label)) for label in labels]
        groups = range(0, len(own), MOST_CURVES)
        charts = [
            chart("AP of each class", own[at : at + MOST_CURVES], share=True) for at in groups
        ]
    else:
        for label in labels[:MOST_SHARED_CLASSES]:
            each = [(s.title, points(s, label)) for s in subjects]
            charts.append(chart(f"AP of {names[label]}", each, share=True))
    rows: list[list[Cell]] = []
    for label in labels:
        lasts = [_last(points(subject, label)) for subject in subjects]
        cells = [v if v is None else Bar(round(100 * v), min(max(v, 0.0), 1.0)) for v in lasts]
        rows.append([names[label], *cells])
    title = "AP at the last test, per cent" if len(subjects) > 1 else ""
    heads = [s.title for s in subjects] if len(subjects) > 1 else ["AP at the last test, per cent"]
    table = Table(title, ["class", *heads], rows)
    return [*(one for one in charts if one is not None), table]
