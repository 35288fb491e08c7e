"""Labelmaps: which name stands for which label number.

A labelmap file is a text-format ``LabelMap`` message. Label 0 is the background; ``name`` is what
annotations say, ``display_name`` what people read (in COCO's labelmap ``name`` is the category id).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path

from google.protobuf import text_format

from ssd_data.core.errors import InputError, OutputError
from ssd_data.core.files.paths import read_text
from ssd_data.core.files.whole import write_whole
from ssd_data.proto import caffe_pb2

BACKGROUND_NAME = "none_of_the_above"
BACKGROUND_DISPLAY_NAME = "background"
MAX_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class LabelMapItem:
    """One class: the name annotations use, its label number, the name people read.

    >>> LabelMapItem("n02084071", 12, "dog").display_name
    'dog'
    """

    name: str
    label: int
    display_name: str


class LabelMap:
    """An ordered, immutable list of :class:`LabelMapItem`.

    >>> classes = LabelMap.from_names(["cat", "dog"])  # the background is 0
    >>> len(classes), classes.label("dog"), classes.display_name(1)
    (3, 2, 'cat')
    """

    def __init__(self, items: Iterable[LabelMapItem], origin: str = "labelmap") -> None:
        self.items = tuple(items)
        self.origin = origin
        # The first of duplicated names wins; published labelmaps have ten classes called N/A.
        self._by_name = {item.name: item.label for item in reversed(self.items)}
        self._by_label = {item.label: item for item in reversed(self.items)}

    @classmethod
    def from_names(
        cls,
        names: Iterable[str],
        display_names: Iterable[str] | None = None,
        origin: str = "list of names",
    ) -> LabelMap:
        """A labelmap with the background as 0 and ``names`` as 1, 2, …"""
        names = list(names)
        shown = names if display_names is None else list(display_names)
        items = [LabelMapItem(BACKGROUND_NAME, 0, BACKGROUND_DISPLAY_NAME)]
        pairs = zip(names, shown, strict=True)
        items += [LabelMapItem(name, i, display) for i, (name, display) in enumerate(pairs, 1)]
        return cls(items, origin)

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[LabelMapItem]:
        return iter(self.items)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LabelMap) and self.items == other.items

    def __hash__(self) -> int:
        return hash(self.items)

    def __repr__(self) -> str:
        return f"LabelMap({len(self)} items from {self.origin})"

    def label(self, name: str | int) -> int | None:
        """The label of a class name (or of a label number), None where it is not known."""
        if isinstance(name, int):
            return name if name in self._by_label and name != 0 else None
        return self._by_name.get(name)

    def display_name(self, label: int) -> str:
        """What people call a label; ``label 7`` where the labelmap does not hold it."""
        item = self._by_label.get(label)
        return (item.display_name or item.name) if item else f"label {label}"

    def shown_apart(self) -> dict[int, str]:
        """The display name of each label; with its name behind where several are shown alike.

        >>> LabelMap.from_names(["1", "2", "3"], ["cup", "cup", "dog"]).shown_apart()
        {0: 'background', 1: 'cup (1)', 2: 'cup (2)', 3: 'dog'}
        """
        shown = {item.label: self.display_name(item.label) for item in self.items}
        count = Counter(shown.values())
        return {
            label: f"{name} ({self._by_label[label].name})" if count[name] > 1 else name
            for label, name in shown.items()
        }

    def nearest(self, name: str) -> str | None:
        """The known name that is most like ``name``, None where none is."""
        known = {item.name.lower(): item.name for item in self.items if item.label != 0}
        known |= {item.display_name.lower(): item.name for item in self.items if item.label != 0}
        found = get_close_matches(name.lower(), known, n=1, cutoff=0.6)
        return known[found[0]] if found else None

    def faults(self) -> list[str]:
        """What would break training: duplicates, no background, gaps. Empty where it is sound."""
        found = [
            f'the name "{name}" stands {count} times'
            for name, count in Counter(item.name for item in self.items).items()
            if count > 1
        ]
        labels = Counter(item.label for item in self.items)
        found += [f"the label {n} stands {count} times" for n, count in labels.items() if count > 1]
        if 0 not in labels:
            found.append("the background (label 0) is missing")
        if any(label < 0 for label in labels):
            found.append("a label is negative")
        if gaps := _gaps(sorted(label for label in labels if label > 0)):
            found.append(f"the numbering has gaps: {gaps} missing")
        if not any(label > 0 for label in labels):
            found.append("there is no class but the background")
        return found

    def require_sound(self) -> LabelMap:
        """This labelmap, for building or writing.

        Raises:
            InputError: it has a fault (see :meth:`faults`).
        """
        if faults := self.faults():
            raise InputError(
                "; ".join(faults), where=self.origin, hint="Number the classes 0, 1, 2, … once each"
            )
        return self

    def differences(self, other: LabelMap) -> list[str]:
        """Every difference to ``other``, each a sentence; empty where they agree."""
        found = []
        for label in sorted(set(self._by_label) | set(other._by_label)):
            mine, theirs = self._by_label.get(label), other._by_label.get(label)
            if mine is None or theirs is None:
                where, item = (other, theirs) if mine is None else (self, mine)
                assert item is not None
                found.append(f'label {label} "{item.name}" stands only in {where.origin}')
                continue
            pairs = {"name": (mine.name, theirs.name)}
            if (mine.display_name, theirs.display_name) != pairs["name"]:
                pairs["display_name"] = (mine.display_name, theirs.display_name)
            found += [
                f'label {label}: {field} "{a}" in {self.origin}, "{b}" in {other.origin}'
                for field, (a, b) in pairs.items()
                if a != b
            ]
        return found

    def to_text(self) -> str:
        """The labelmap as a prototxt, as Caffe's own are written."""
        message = caffe_pb2.LabelMap()
        for item in self.items:
            message.item.add(name=item.name, label=item.label, display_name=item.display_name)
        return text_format.MessageToString(message, as_utf8=True)


def parse_labelmap(text: str, origin: str) -> LabelMap:
    """A labelmap from the text of a prototxt; duplicates and gaps can be read.

    >>> text = 'item { name: "n02084071" label: 12 display_name: "dog" }'
    >>> parse_labelmap(text, "labelmap.prototxt").display_name(12)
    'dog'

    Raises:
        InputError: the text is not a LabelMap message, or an item lacks its name or label.
    """
    message = caffe_pb2.LabelMap()
    try:
        text_format.Parse(text, message)
    except text_format.ParseError as error:
        line = error.GetLine()
        raise InputError(
            f"not a labelmap: {error}",
            where=f"{origin}:{line}" if line else origin,
            hint='A labelmap is a list of: item { name: "dog" label: 1 display_name: "dog" }',
        ) from None
    if not message.item:
        raise InputError("the labelmap holds no item", where=origin)
    for index, item in enumerate(message.item):
        if not item.HasField("name") or not item.HasField("label"):
            raise InputError("an item lacks its name or label", where=f"{origin}: item {index}")
    items = [LabelMapItem(i.name, i.label, i.display_name or i.name) for i in message.item]
    return LabelMap(items, origin)


def read_labelmap(path: Path | str) -> LabelMap:
    """Read a labelmap file.

    >>> [item.name for item in read_labelmap("labelmap.prototxt")]
    ['none_of_the_above', 'circle', 'square', 'triangle']

    Raises:
        InputError: the file is absent, unreadable or not a labelmap.
    """
    text = read_text(Path(path), "labelmap", MAX_BYTES)
    return parse_labelmap(text, str(path))


def write_labelmap(labelmap: LabelMap, path: Path | str, redo: bool = False) -> None:
    """Write a labelmap file, whole or not at all.

    >>> write_labelmap(LabelMap.from_names(["face"]), "faces.prototxt")
    >>> read_labelmap("faces.prototxt").label("face")
    1

    Raises:
        InputError: the labelmap has a fault.
        OutputError: the file is there (and not ``redo``) or cannot be written.
    """
    text, path = labelmap.require_sound().to_text(), Path(path)
    if path.exists() and not redo:
        raise OutputError("exists", where=path, hint="Replace it with --redo")
    write_whole(path, text)


def _gaps(labels: list[int], most: int = 8) -> str:
    """The numbers from 1 on that are not among the sorted labels; the first few of them."""
    missing = (labels[-1] if labels else 0) - len(labels)
    if missing <= 0:
        return ""
    first: list[int] = []
    for before, behind in pairwise([0, *labels]):
        first += range(before + 1, min(behind, before + 2 + most - len(first)))
        if len(first) >= most:
            break
    shown = ", ".join(map(str, first[:most]))
    return f"{shown} and {missing - most} more" if missing > most else shown
