"""Which class of one labelmap is which of another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from ssd_data.core.errors import UsageError
from ssd_data.core.labelmap import LabelMap

# VOC's and COCO's spellings of the same thing.
SYNONYMS = (
    ("aeroplane", "airplane"),
    ("diningtable", "dining table"),
    ("motorbike", "motorcycle"),
    ("pottedplant", "potted plant"),
    ("sofa", "couch"),
    ("tvmonitor", "tv"),
)


@dataclass(frozen=True, slots=True)
class ClassRow:
    """Where one class of the new labelmap comes from.

    Attributes:
        label, name: the class, as people call it.
        source: its label in the old labelmap, None where it starts anew.
        source_name: that class's name there.
        how: "background", "name", "synonym", "map", "like" or "anew".
    """

    label: int
    name: str
    source: int | None
    source_name: str
    how: str


def assign(
    old: LabelMap,
    new: LabelMap,
    renamed: Mapping[str, str] | None = None,
    like: Mapping[str, str] | None = None,
) -> list[ClassRow]:
    """For each class of ``new``, by label, where it comes from in ``old``.

    Names are compared as people see them (``display_name``), without regard to case.

    Args:
        old: the labelmap of the weights; names that stand twice count as the first.
        new: the labelmap of the net.
        renamed: new class → old class, where the names differ.
        like: new class → old class that it starts from, where the old ones lack it.

    Raises:
        InputError: ``new`` has a fault, or the background is not label 0 of ``old``.
        UsageError: ``renamed`` or ``like`` names a class that is not there.
    """
    old.require_background()
    new.require_sound()
    known = _by_name(old)
    chosen: dict[int, tuple[str, str]] = {}
    for option, table in (("like", like or {}), ("map", renamed or {})):
        for name, source in table.items():
            chosen[_find(_by_name(new), name, new, option)] = (option, source)
    rows = [ClassRow(0, new.display_name(0), 0, old.display_name(0), "background")]
    for item in sorted(new, key=lambda item: item.label)[1:]:
        name = new.display_name(item.label)
        how, label = _same(_plain(name), known)
        if item.label in chosen and (how == "anew" or chosen[item.label][0] == "map"):
            how, wanted = chosen[item.label]
            label = _find(known, wanted, old, how)
        text = "" if label is None else old.display_name(label)
        rows.append(ClassRow(item.label, name, label, text, how))
    return rows


def _by_name(labelmap: LabelMap) -> dict[str, int]:
    """Labels by display name, else by name; of equal names the first."""
    labels = [item.label for item in labelmap if item.label > 0]
    names = [(labelmap.display_name(label), label) for label in labels]
    names += [(item.name, item.label) for item in labelmap if item.label > 0]
    return {_plain(name): label for name, label in reversed(names)}


def _plain(name: str) -> str:
    return " ".join(name.casefold().split())


def _same(name: str, known: Mapping[str, int]) -> tuple[str, int | None]:
    if name in known:
        return "name", known[name]
    for pair in SYNONYMS:
        if name in pair:
            other = pair[1 - pair.index(name)]
            if other in known:
                return "synonym", known[other]
    return "anew", None


def _find(known: Mapping[str, int], name: str, labelmap: LabelMap, how: str) -> int:
    label = known.get(_plain(name))
    if label is None:
        near = get_close_matches(_plain(name), known, n=1)
        raise UsageError(
            f'--{how}: no class of {labelmap.origin} is called "{name}"',
            hint=f'Did you mean "{near[0]}"?' if near else "",
        )
    return label
