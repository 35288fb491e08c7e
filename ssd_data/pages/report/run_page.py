"""The page of a training run, or of several in the same drawings."""

from __future__ import annotations

from collections.abc import Sequence

from ssd_data.core.progress import Track, untracked
from ssd_data.pages.report.blocks import Page, told_apart
from ssd_data.pages.report.curves import MOST_CURVES
from ssd_data.pages.report.options import RunView
from ssd_data.pages.report.render import show
from ssd_data.pages.report.run_subject import RunSubject
from ssd_data.pages.report.sections import fed, learning, mistakes, origins, progress

MOST_RUNS = MOST_CURVES


def run_page(
    subjects: Sequence[RunSubject], view: RunView | None = None, track: Track = untracked
) -> Page:
    """All sections.

    Args:
        subjects: at most :data:`MOST_RUNS`.
        track: wraps what takes long, to show progress.
    """
    view = view or RunView()
    subjects = told_apart(subjects)
    sections = [learning.section(subjects)]
    if view.pictures:
        sections.append(fed.section(subjects, view))
    if view.pictures and view.test_pictures:
        sections.append(progress.section(subjects, view, track))
        sections.append(mistakes.section(subjects, view, track))
    sections.append(origins.section(subjects))
    kind = f"{len(subjects)} training runs" if subjects[1:] else "training run"
    title = " and ".join(subject.title for subject in subjects)
    return Page(title, kind, _facts(subjects), sections)


def _facts(subjects: Sequence[RunSubject]) -> list[tuple[str, str]]:
    """The numbers in the page's head."""
    found = [s.history.summary() for s in subjects]
    each = {
        "iterations": [f"{one['iterations']:,}" for one in found],
        "last loss": [show(one["loss"]) for one in found],
        "best score": [show(one["best_score"]) for one in found],
        "snapshots": [f"{len(s.kept):,}" for s in subjects],
    }
    return [(name, " | ".join(values)) for name, values in each.items()]
