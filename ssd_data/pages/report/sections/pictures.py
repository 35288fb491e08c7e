"""Sizes and formats of pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ssd_data.data.lmdb.survey import PERCENTILES
from ssd_data.pages.report.blocks import Block, Cell, Panel, Section, Table
from ssd_data.pages.report.charts import bubbles
from ssd_data.pages.report.subject import ReportSplit, Subject

MOST_SIZES = 200


def section(subjects: Sequence[Subject]) -> Section:
    """As they are stored, which after a resizing build is not as they were."""
    panels = [Panel(subject.title, _blocks(subject.splits)) for subject in subjects]
    return Section("pictures", "Pictures", "As they are stored.", (), panels)


def _blocks(splits: Sequence[ReportSplit]) -> list[Block]:
    sizes: Counter[tuple[int, int]] = Counter()
    for split in splits:
        sizes.update((width, height) for width, height in split.measures.sizes.tolist() if width)
    points = [(width, height, n) for (width, height), n in sizes.most_common(MOST_SIZES)]
    return [bubbles("Picture sizes", points), _sides(splits), _formats(splits)]


def _sides(splits: Sequence[ReportSplit]) -> Table:
    rows: list[list[Cell]] = []
    for split in splits:
        for side in ("width", "height"):
            values = split.summary["pictures"][side]
            rows.append([f"{split.name}: {side}", *(values.get(name) for name in PERCENTILES)])
    return Table("Percentiles, pixels", ["", *PERCENTILES], rows)


def _formats(splits: Sequence[ReportSplit]) -> Table:
    rows: list[list[Cell]] = []
    for split in splits:
        found = split.summary["pictures"]
        kinds = _counts(found["formats"]), _counts(found["channels"])
        rows.append([split.name, *kinds, found["different_sizes"]])
    return Table("Formats", ["", "format", "channels", "different sizes"], rows)


def _counts(table: dict[str, Any]) -> str:
    return ", ".join(f"{name} ({count:,})" for name, count in table.items()) or "none"
