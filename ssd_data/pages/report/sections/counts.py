"""How many records and boxes, and of which classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ssd_data.pages.report.blocks import Bar, Block, Cell, Listing, Note, Section, Table
from ssd_data.pages.report.subject import ReportSplit, Subject

HEAD = ("records", "boxes", "a record", "most", "difficult", "without boxes", "broken", "MB")


def section(subjects: Sequence[Subject]) -> Section:
    """All splits in one table, all classes in another."""
    splits = _splits(subjects)
    rows = [[name, *_row(split.summary)] for name, split in splits]
    blocks: list[Block] = [Table("", ["split", *HEAD], rows), _classes(splits)]
    for subject in subjects:
        for split in subject.splits:
            if absent := split.summary["absent"]:
                text = f"{subject.title}, {split.name}: classes without a box"
                blocks.append(Listing(text, len(absent), absent, mark="warning"))
    blocks += _balance(*splits[0])
    return Section("counts", "Counts and class balance", "", blocks)


def _row(summary: dict[str, Any]) -> list[Cell]:
    boxes, sound = summary["boxes"], summary["records"] - summary["broken"]["count"]
    return [
        summary["records"],
        boxes,
        round(boxes / sound, 2) if sound else None,
        summary["most_boxes"],
        summary["difficult"],
        summary["without_boxes"],
        summary["broken"]["count"],
        round(summary["pictures"]["bytes"] / 1e6, 1),
    ]


def _splits(subjects: Sequence[Subject]) -> list[tuple[str, ReportSplit]]:
    several = len(subjects) > 1
    return [
        (f"{subject.title}: {split.name}" if several else split.name, split)
        for subject in subjects
        for split in subject.splits
    ]


def _classes(splits: Sequence[tuple[str, ReportSplit]]) -> Table:
    """A row a class, for each split its boxes and, where there is room, pictures."""
    wide = len(splits) > 3
    tables = [{row["label"]: row for row in split.summary["classes"]} for _, split in splits]
    names: dict[int, str] = {}
    for table in tables:
        for label, row in table.items():
            names.setdefault(label, row["name"])
    most = [max((row["boxes"] for row in table.values()), default=1) for table in tables]
    rows: list[list[Cell]] = []
    for label in sorted(names):
        cells: list[Cell] = [names[label]]
        for table, top in zip(tables, most, strict=True):
            row = table.get(label)
            cells.append(Bar(row["boxes"], row["boxes"] / max(top, 1)) if row else None)
            if not wide:
                cells.append(row["pictures"] if row else None)
        rows.append(cells)
    head = ["class"]
    for name, _ in splits:
        head.append(f"{name}: boxes" if len(splits) > 1 else "boxes")
        head += [] if wide else ["pictures"]
    return Table("Classes", head, rows)


def _balance(name: str, split: ReportSplit) -> list[Note]:
    """How uneven the classes of a split are."""
    counts = {row["name"]: row["boxes"] for row in split.summary["classes"]}
    if len(counts) < 2:
        return []
    most, least = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
    times = counts[most] / counts[least]
    return [Note(f"In {name} there are {times:.3g} times as many boxes of {most} as of {least}.")]
