"""Pictures with their boxes."""

from __future__ import annotations

from collections.abc import Sequence

from ssd_data.pages.report import picks, thumbnails
from ssd_data.pages.report.blocks import Block, Gallery, Panel, Section
from ssd_data.pages.report.subject import ReportSplit, Subject


def section(subjects: Sequence[Subject], count: int, seed: int) -> Section:
    """Of each split some at random, the most crowded, the smallest boxes, suspicious ones.

    Args:
        count: pictures of each kind.
        seed: of those at random.
    """
    panels = []
    for subject in subjects:
        blocks: list[Block] = []
        for split in subject.splits:
            blocks += _galleries(subject, split, count, seed)
        panels.append(Panel(subject.title, blocks))
    lead = "Dashed boxes are difficult; thick ones are those that a picture is shown for."
    return Section("gallery", "Pictures with their boxes", lead, (), panels)


def _galleries(subject: Subject, split: ReportSplit, count: int, seed: int) -> list[Gallery]:
    measures = split.measures
    kinds = {
        "at random": picks.random(measures, count, seed),
        "most boxes": picks.crowded(measures, count),
        "smallest boxes, from near": picks.smallest(measures, count),
        "suspicious boxes": picks.suspicious(measures, count),
        "broken records": picks.broken(measures, count),
    }
    return [
        Gallery(f"{split.name}: {title}", [*thumbnails.of_records(split, chosen, subject.labelmap)])
        for title, chosen in kinds.items()
        if chosen
    ]
