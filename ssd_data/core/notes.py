"""What was met on the way: counted in full, listed up to a limit."""

from __future__ import annotations

from dataclasses import dataclass, field

from ssd_data.core.legible import legible

LISTED = 1000


@dataclass(slots=True)
class Count:
    """How often one kind of thing happened, and where the first of them did."""

    count: int = 0
    listed: list[str] = field(default_factory=list)


class Tally:
    """Counts things by kind; keeps the first :data:`LISTED` places of each.

    >>> notes = Tally()
    >>> notes.add("box without area", "1.xml:7")
    >>> notes.kinds["box without area"].count
    1
    """

    def __init__(self) -> None:
        self.kinds: dict[str, Count] = {}

    def add(self, kind: str, where: str) -> None:
        """Count one more of ``kind``, which happened at ``where``; both may hold any text."""
        entry = self.kinds.setdefault(legible(kind), Count())
        entry.count += 1
        if len(entry.listed) < LISTED:
            entry.listed.append(legible(where))

    def merge(self, other: Tally) -> None:
        """Add all that ``other`` has counted."""
        for kind, theirs in other.kinds.items():
            mine = self.kinds.setdefault(kind, Count())
            mine.count += theirs.count
            mine.listed += theirs.listed[: LISTED - len(mine.listed)]

    def __bool__(self) -> bool:
        return bool(self.kinds)

    def to_json(self) -> dict[str, dict[str, object]]:
        """``{kind: {"count": n, "listed": [where, …]}}``"""
        return {k: {"count": c.count, "listed": list(c.listed)} for k, c in self.kinds.items()}
