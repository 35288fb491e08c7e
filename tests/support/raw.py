"""A raw data set as it is read: its entries, boxes and notes in plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ssd_data.core.notes import Tally
from ssd_data.core.structures import AnnotatedImage, Entry, Unreadable
from ssd_data.data.find import recognise

Row = tuple[str, tuple[float, ...], bool]


@dataclass
class Raw:
    """What was read of a split; ``rows`` are class, corners to 1/100 and difficult of each box."""

    entries: list[Entry]
    notes: dict[str, list[str]] = field(default_factory=dict)

    @property
    def rows(self) -> dict[str, list[Row]]:
        return {e.image: rows(e) for e in self.entries if isinstance(e, AnnotatedImage)}

    @property
    def errors(self) -> list[str]:
        return [str(e.error) for e in self.entries if isinstance(e, Unreadable)]


def rows(entry: AnnotatedImage) -> list[Row]:
    assert len(entry.boxes) == len(entry.classes) == len(entry.difficult) == len(entry.places)
    return [
        (str(name), tuple(round(v, 2) for v in box), bool(hard))
        for name, box, hard in zip(
            entry.classes, entry.boxes.tolist(), entry.difficult, strict=True
        )
    ]


def read(root: Path, split: str = "", format: str = "") -> Raw:
    """A split of a folder; all splits in their order where none is named."""
    dataset = recognise(root, format)
    notes = Tally()
    splits = [split] if split else list(dataset.splits)
    entries = [entry for name in splits for entry in dataset.entries(name, notes)]
    return Raw(entries, {kind: found.listed for kind, found in notes.kinds.items()})
