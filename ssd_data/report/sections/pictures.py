"""Sizes and formats of pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ssd_data.lmdbs.survey import PERCENTILES
from ssd_data.report.blocks import Block, Cell, Panel, Section, Table
from ssd_data.report.charts import bubbles
from ssd_data.report.subject import Split, Subject

MOST_SIZES = 200


def section(subjects: Sequence[Subject]) -> Section:
    """As they are stored, which after a resizing build is not as they were."""
    panels = [Panel(subject.title, _blocks(subject.splits)) for subject in subjects]
    return Section("pictures", "Pictures", "As they are stored.", (), panels)


def _blocks(splits: Sequence[Split]) -> list[Block]:
    sizes: Counter[tuple[int, int]] = Counter()
    for split in splits:
        sizes.update((width, height) for width, height in split.measures.sizes.tolist() if width)
    points = [(width, height, n) for (width, height), n in sizes.most_common(MOST_SIZES)]
    return [bubbles("Picture sizes", points), *map(_table, splits)]


def _table(split: Split) -> Table:
    found = split.summary["pictures"]
    rows: list[list[Cell]] = [
        [f"{side}, pixels", *_values(found[side])] for side in ("width", "height")
    ]
    about = [_counts(found["formats"]), f"{_counts(found['channels'])} channels"]
    about.append(f"{found['different_sizes']:,} different sizes")
    return Table(f"{split.name}: {'; '.join(about)}", ["", *PERCENTILES], rows)


def _values(values: dict[str, float]) -> list[Cell]:
    return [values.get(name) for name in PERCENTILES]


def _counts(table: dict[str, Any]) -> str:
    return ", ".join(f"{name} ({count:,})" for name, count in table.items()) or "none"
