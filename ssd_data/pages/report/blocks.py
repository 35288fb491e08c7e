"""What a page consists of. All strings are plain text, but for a chart's ``svg``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeAlias

from markupsafe import Markup

from ssd_data.core.scene import Chip
from ssd_data.pages.svg import Outline


@dataclass(frozen=True, slots=True)
class Bar:
    """A number in a table with a bar below it; ``share`` of the column's width, 0 to 1."""

    value: int
    share: float


Cell: TypeAlias = str | int | float | Bar | None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows below a head. Numbers stand to the right; None is a dash.

    Attributes:
        title: its caption; empty for none.
        folded: it opens when it is asked for.
    """

    kind: ClassVar[str] = "table"
    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """Things of one kind: how many, and where they are, which opens when asked for.

    Attributes:
        items: the first places. more: how many there are besides.
        mark: "error", "warning" or nothing.
    """

    kind: ClassVar[str] = "listing"
    title: str
    count: int
    items: Sequence[str]
    more: int = 0
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence; ``mark`` as in :class:`Listing`."""

    kind: ClassVar[str] = "note"
    text: str
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing and the numbers that it shows.

    Attributes:
        description: what is to be seen, for those who do not see it.
        legend: names of the series, in the order of their colours.
    """

    kind: ClassVar[str] = "chart"
    title: str
    description: str
    svg: Markup
    table: Table
    legend: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A thumbnail with boxes.

    Attributes:
        title: the record's key.
        uri: ``data:image/jpeg;base64,…``; empty where the picture could not be read.
        view: what is shown, x, y, width and height in pixels of the thumbnail; it may be larger.
        size: width and height of the thumbnail.
        facts: what is to be said of it.
    """

    title: str
    uri: str = ""
    view: tuple[float, float, float, float] = (0, 0, 1, 1)
    size: tuple[int, int] = (1, 1)
    outlines: Sequence[Outline] = ()
    chips: Sequence[Chip] = ()
    facts: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Gallery:
    """Pictures of one kind."""

    kind: ClassVar[str] = "gallery"
    title: str
    pictures: Sequence[Thumbnail]


Block: TypeAlias = Table | Listing | Note | Chart | Gallery


@dataclass(frozen=True, slots=True)
class Panel:
    """Blocks of one of the things that are compared; they stand side by side."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page.

    Attributes:
        name: for links within the page: letters and hyphens.
        lead: a sentence below the title.
        blocks: of all that is compared; panels: of each.
    """

    name: str
    title: str
    lead: str = ""
    blocks: Sequence[Block] = ()
    panels: Sequence[Panel] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """A whole page; ``facts`` stand in its head, name and value each."""

    title: str
    subtitle: str
    facts: Sequence[tuple[str, str]]
    sections: Sequence[Section]


def told_apart(subjects: Sequence[Any]) -> list[Any]:
    """What a page is about; where two have one title, their paths are the titles."""
    if len({subject.title for subject in subjects}) == len(subjects):
        return list(subjects)
    return [replace(subject, title=str(subject.path)) for subject in subjects]
