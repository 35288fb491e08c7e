"""Boxes in fractions where pixels are expected: seen over all boxes of a data set, never of one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from ssd_data.core.boxes import is_empty
from ssd_data.core.errors import InputError
from ssd_data.core.notes import Tally
from ssd_data.core.structures import AnnotatedImage

FRACTION = "box lies within 0 to 1: a fraction of its picture? (taken as pixels)"
MOST = 1 + 1e-6  # what 1.0 becomes when it is rounded up on its way


@dataclass(slots=True)
class UnitEvidence:
    """What boxes that are stated in pixels may be in truth.

    Attributes:
        first: the first picture with a box of some area that lies within 0 to 1.
        pixels: whether a box leaves 0 to 1.
        notes: those that do not.
    """

    first: AnnotatedImage | None = None
    pixels: bool = False
    notes: Tally = field(default_factory=Tally)

    def add(self, entry: AnnotatedImage) -> None:
        """Look at one more picture."""
        boxes = entry.boxes
        if entry.normalized or not len(boxes):
            return
        if boxes.min() > MOST:  # the most are seen at once
            self.pixels = self.pixels or bool((~is_empty(boxes)).any())
            return
        some = ~is_empty(boxes)
        within = (boxes.max(axis=1) <= MOST) & (boxes.min(axis=1) >= 1 - MOST) & some
        for index in np.flatnonzero(within):
            self.notes.add(FRACTION, entry.place(int(index)))
        if (some & ~within).any():
            self.pixels = True
        elif some.any():
            self.first = self.first or entry


def settle_unit(found: Iterable[tuple[UnitEvidence, Tally]], boxes: str, origin: object) -> None:
    """Refuse boxes that are fractions where nobody asked for such; count those that may be.

    Args:
        found: of each split what was seen, and its notes.
        boxes: the option.

    Raises:
        InputError: the boxes of all splits, stated in pixels, lie within 0 to 1.
    """
    if boxes != "auto":
        return
    found = list(found)
    first = next((seen.first for seen, _ in found if seen.first), None)
    if first is not None and not any(seen.pixels for seen, _ in found):
        raise InputError(
            "all boxes are fractions of their pictures, not pixels "
            f"(the first, at {first.place(0)}, is {_corners(first)})",
            where=origin,
            hint="Take them as fractions with --boxes fractions; if they really are pixels, "
            "with --boxes pixels",
        )
    for seen, notes in found:
        notes.merge(seen.notes)


def _corners(entry: AnnotatedImage) -> str:
    return " ".join(f"{value:g}" for value in np.asarray(entry.boxes[0]))
