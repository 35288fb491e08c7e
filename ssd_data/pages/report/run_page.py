"""The page of a training run, or of several in the same drawings."""

from __future__ import annotations

from collections.abc import Sequence

from ssd_data.core.progress import Track, untracked
from ssd_data.pages.report.blocks import Page, told_apart
from ssd_data.pages.report.curves import MOST_CURVES
from ssd_data.pages.report.groups import RunGroup, group_runs
from ssd_data.pages.report.options import RunView
from ssd_data.pages.report.render import show
from ssd_data.pages.report.run_subject import RunSubject
from ssd_data.pages.report.sections import compared, fed, learning, mistakes, origins, progress

MOST_RUNS, MOST_NAMED = 60, 3


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
    groups = group_runs(subjects)
    sections = [compared.section(groups)] if subjects[1:] else []
    subjects = shown_runs(groups)
    sections.append(learning.section(subjects))
    if view.pictures:
        sections.append(fed.section(subjects, view))
    if view.pictures and view.test_pictures:
        sections.append(progress.section(subjects, view, track))
        sections.append(mistakes.section(subjects, view, track))
    sections.append(origins.section(subjects))
    count = sum(len(group.runs) for group in groups)
    kind = f"{count} training runs" if count > 1 else "training run"
    titles = [subject.title for subject in subjects]
    title = " and ".join(titles) if len(titles) <= MOST_NAMED else f"{titles[0]} and others"
    return Page(title, kind, _facts(subjects), sections)


def shown_runs(groups: Sequence[RunGroup]) -> list[RunSubject]:
    """Those that are shown one by one: all where each has a colour, else the first of each group
    that is drawn."""
    every = [run for group in groups for run in group.runs]
    if len(every) <= MOST_CURVES:
        return every
    return [group.runs[0] for group in compared.best(groups)]


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
