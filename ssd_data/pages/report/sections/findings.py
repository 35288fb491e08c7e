"""What ``ssd-data check`` found, and what is odd without being wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ssd_data.pages.report.blocks import Block, Listing, Note, Panel, Section
from ssd_data.pages.report.subject import ReportSplit, Subject

SHOWN = 20


def section(subjects: Sequence[Subject]) -> Section:
    """Errors, warnings, then counts of each split."""
    panels = [Panel(subject.title, [*_found(subject), *_odd(subject)]) for subject in subjects]
    lead = "Errors make a training fail or learn nonsense; warnings may be meant."
    return Section("findings", "What check found, and what is odd", lead, (), panels)


def _found(subject: Subject) -> Iterator[Block]:
    found = subject.findings
    if not found.errors and not found.warnings:
        yield Note("No errors, no warnings.")
    for finding in (*found.errors, *found.warnings):
        title = f"{finding.message} [{finding.kind}]"
        places = [place for place in finding.places[:SHOWN] if place]
        more = finding.count - len(places) if places else 0
        yield Listing(title, finding.count, places, more, finding.severity)


def _odd(subject: Subject) -> Iterator[Block]:
    for split in subject.splits:
        m, summary = split.measures, split.summary
        without = [m.names[i] for i in np.flatnonzero(m.count() == 0) if not m.faults[i]]
        yield _keys(split, "pictures without boxes", len(without), without, len(without))
        hard = np.unique(m.record[m.difficult]).tolist()
        title = f"difficult boxes, in {len(hard):,} pictures"
        names = [m.names[i] for i in hard]
        yield _keys(split, title, summary["difficult"], names, len(names))
        count, listed = summary["outside"]["count"], summary["outside"]["listed"]
        yield _keys(split, "boxes that leave their picture", count, listed, count)


def _keys(split: ReportSplit, what: str, count: int, places: Sequence[str], of: int) -> Listing:
    """How many there are, and the first of ``of`` places."""
    shown = places[:SHOWN]
    return Listing(f"{split.name}: {what}", count, shown, of - len(shown))
