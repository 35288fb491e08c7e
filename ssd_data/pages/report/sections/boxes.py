"""Sizes, aspect ratios, numbers and places of boxes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from ssd_data.data.lmdb.survey import PERCENTILES
from ssd_data.data.lmdb.table import BoxTable
from ssd_data.pages.report.blocks import Block, Cell, Panel, Section, Table
from ssd_data.pages.report.charts import Axis, heat_map, histogram
from ssd_data.pages.report.subject import ReportSplit, Subject

SIZES = Axis(
    "side of a square as large as the box, pixels",
    [2 ** (i / 2) for i in range(23)],
    [f"{2 ** (i / 2):.3g} to {2 ** ((i + 1) / 2):.3g}" for i in range(22)],
    [(i, f"{2 ** (i // 2)}") for i in range(0, 23, 4)],
)
SHARES = Axis(
    "side of that square, % of the picture's",
    [i / 20 for i in range(21)],
    [f"{5 * i} to {5 * i + 5}%" for i in range(20)],
    [(i, f"{5 * i}") for i in range(0, 21, 4)],
)
RATIOS = Axis(
    "width : height, in pixels",
    [2 ** (i / 3) for i in range(-10, 11)],
    [f"{2 ** (i / 3):.2f} to {2 ** ((i + 1) / 3):.2f}" for i in range(-10, 10)],
    [(1, "1:8"), (4, "1:4"), (7, "1:2"), (10, "1:1"), (13, "2:1"), (16, "4:1"), (19, "8:1")],
)
_EDGES = [0, 1, 2, 3, 4, 5, 6, 8, 11, 16, 23, 32, 46, 65, 92, 129, 257, 1 << 30]
NUMBERS = Axis(
    "boxes in a picture",
    _EDGES,
    [
        f"{low}" if high == low + 1 else f"{low} to {high - 1}" if high < 1 << 30 else f"{low}+"
        for low, high in pairwise(_EDGES)
    ],
    [(i, f"{_EDGES[i]}") for i in (0, 1, 3, 5, 7, 9, 11, 14, 16)],
)  # fmt: skip
ROWS = {
    "width, pixels": ("width", 1),
    "height, pixels": ("height", 1),
    "width, % of the picture's": ("width_share", 100),
    "height, % of the picture's": ("height_share", 100),
    "area, % of the picture's": ("area_share", 100),
    "width : height": ("aspect_ratio", 1),
}


def section(subjects: Sequence[Subject]) -> Section:
    """Charts with a line a split, and percentiles."""
    lead = "Of boxes that are finite and have an area; a line is a split, each adds up to 100%."
    panels = [Panel(subject.title, _blocks(subject.splits)) for subject in subjects]
    return Section("boxes", "Boxes: sizes, aspect ratios, positions", lead, (), panels)


def _blocks(splits: Sequence[ReportSplit]) -> list[Block]:
    def each(values: Callable[[BoxTable], npt.NDArray[Any]]) -> list[tuple[str, Any]]:
        return [(split.name, values(split.measures)) for split in splits]

    charts: list[Block] = [
        histogram("Box sizes", SIZES, each(_square), "boxes"),
        histogram("Box sizes in their pictures", SHARES, each(_share), "boxes"),
        histogram("Aspect ratios", RATIOS, each(_ratio), "boxes"),
        histogram("Boxes in a picture", NUMBERS, each(lambda m: m.count()), "pictures"),
        heat_map("Where boxes have their centres", each(_centres)),
    ]
    return [*charts, *(_percentiles(split) for split in splits)]


def _square(measures: BoxTable) -> npt.NDArray[Any]:
    return np.asarray(np.sqrt(measures.sides[measures.sound].prod(1)))


def _share(measures: BoxTable) -> npt.NDArray[Any]:
    boxes = measures.boxes[measures.sound].astype(np.float64)
    return np.asarray(np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(1)))


def _ratio(measures: BoxTable) -> npt.NDArray[Any]:
    width, height = measures.sides[measures.sound].T
    return np.asarray(width / height)


def _centres(measures: BoxTable) -> npt.NDArray[Any]:
    boxes = measures.boxes[measures.sound].astype(np.float64)
    return np.asarray(((boxes[:, :2] + boxes[:, 2:]) / 2).clip(0, 1))


def _percentiles(split: ReportSplit) -> Table:
    found = split.summary["box_statistics"]
    rows: list[list[Cell]] = []
    for name, (key, times) in ROWS.items():
        values = found[key]
        rows.append([name, *(values[p] * times if values else None for p in PERCENTILES)])
    return Table(f"Percentiles, {split.name}", ["", *PERCENTILES], rows)
