"""The page of one build or LMDB, or of two side by side."""

from __future__ import annotations

from collections.abc import Sequence

from ssd_data.pages.report.blocks import Page, told_apart
from ssd_data.pages.report.options import PICTURES
from ssd_data.pages.report.sections import about, boxes, counts, findings, gallery, pictures
from ssd_data.pages.report.subject import Subject


def data_page(subjects: Sequence[Subject], shown: int = PICTURES, seed: int = 0) -> Page:
    """All sections.

    Args:
        subjects: one, or two to compare.
        shown: pictures of each kind in the gallery; 0 for no gallery.
        seed: of the pictures at random.
    """
    subjects = told_apart(subjects)
    sections = [
        about.section(subjects),
        counts.section(subjects),
        findings.section(subjects),
        boxes.section(subjects),
        pictures.section(subjects),
    ]
    if shown:
        sections.append(gallery.section(subjects, shown, seed))
    title = " and ".join(subject.title for subject in subjects)
    kinds = ["build" if subject.is_build else "LMDB" for subject in subjects]
    kind = f"two {kinds[0]}s" if kinds[1:] == kinds[:1] else " and ".join(kinds)
    return Page(title, kind, _facts(subjects), sections)


def _facts(subjects: Sequence[Subject]) -> list[tuple[str, str]]:
    """The numbers in the page's head; of two, both."""
    each = {
        "splits": [", ".join(split.name for split in s.splits) for s in subjects],
        "records": [f"{sum(split.summary['records'] for split in s.splits):,}" for s in subjects],
        "boxes": [f"{sum(split.summary['boxes'] for split in s.splits):,}" for s in subjects],
        "errors": [f"{sum(f.count for f in s.findings.errors):,}" for s in subjects],
        "warnings": [f"{sum(f.count for f in s.findings.warnings):,}" for s in subjects],
    }
    return [(name, " | ".join(values)) for name, values in each.items()]
