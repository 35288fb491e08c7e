"""What the annotations of one JSON are read by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ssd_data.core.notes import Tally
from ssd_data.data.formats.coco import loose
from ssd_data.data.formats.coco.schema import CocoSource


@dataclass(slots=True)
class CocoContext:
    """What the annotations of a JSON are read by.

    Attributes:
        root: of the data set.
        source: the JSON.
        names: per category id its class; others are called by their id.
        listed: the ids of all categories.
        image_ids, category_ids: those that are texts.
        label_studio: whether Label Studio wrote it.
    """

    root: Path
    source: CocoSource
    notes: Tally
    names: Mapping[int, str] = field(default_factory=dict)
    listed: frozenset[int] = frozenset()
    image_ids: loose.TextIds = field(default_factory=loose.TextIds)
    category_ids: loose.TextIds = field(default_factory=loose.TextIds)
    label_studio: bool = False

    @property
    def name(self) -> str:
        """What the JSON is called."""
        return self.source.json
