"""A source of CSV rows."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ssd_data.data.formats.fournumbers import Meaning
from ssd_data.data.formats.indexes import ListedSource


class CsvSource(ListedSource, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A CSV, or the part of its pictures that is of one split.

    Attributes:
        csv: the file below the root.
        split: only the pictures of which the column of splits says that: ``train``, ``val``,
            ``test``, ``trainval``, or ``unassigned`` where it says none of them.
        names: a CSV of class names and their numbers.
        columns: names of columns by what they are (``picture``, ``xmin`` …), where nobody would
            know them; an empty name for none.
        four: what four numbers in one cell are, where nothing tells.
    """

    csv: str
    split: str = ""
    names: str = ""
    columns: Mapping[str, str] = msgspec.field(default_factory=dict)
    four: Meaning | None = None
