"""Labelmaps: which name stands for which label number.

Caffe's labelmap file is a text-format ``LabelMap`` message. Label 0 is the background; ``name`` is
what annotations say, ``display_name`` what people read (in COCO's labelmap ``name`` is the category
id). TensorFlow's labelmaps and names files are read as well, with the background added.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from google.protobuf import text_format

from ssd_data.core.classes.background import BACKGROUND_DISPLAY_NAME, BACKGROUND_NAME
from ssd_data.core.classes.faults import Fault, background_faults, faults_of
from ssd_data.core.classes.lookalikes import Lookalikes, lookalikes
from ssd_data.core.classes.names_file import parse_names
from ssd_data.core.classes.tensorflow import parse_pbtxt
from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import read_text
from ssd_data.core.files.remote.address import as_path
from ssd_data.core.files.together import write_one
from ssd_data.core.legible import first_lines
from ssd_data.proto import caffe_pb2

CAFFE, TENSORFLOW, NAMES = "Caffe's", "TensorFlow's", "a names file"
MAX_BYTES = 3 << 20
MOST_LETTERS, MOST_COMPARED = 100, 5000  # a name that is looked for, and classes it is held against
_ENDINGS = (".prototxt", ".pbtxt")
_MESSAGE = re.compile(r"\w+\s*(:\s*)?[{<]")


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

    Attributes:
        items: the classes and the background, in the file's order.
        origin: where it comes from, for errors.
        form: how it was written: :data:`CAFFE`, the only one that Caffe itself reads,
            :data:`TENSORFLOW` or :data:`NAMES`.
    """

    def __init__(
        self, items: Iterable[LabelMapItem], origin: str = "labelmap", form: str = CAFFE
    ) -> None:
        self.items = tuple(items)
        self.origin = origin
        self.form = form
        # The first of duplicated names wins; published labelmaps have ten classes called N/A.
        self._by_name = {item.name: item.label for item in reversed(self.items)}
        self._by_label = {item.label: item for item in reversed(self.items)}

    @classmethod
    def from_names(
        cls,
        names: Iterable[str],
        display_names: Iterable[str] | None = None,
        origin: str = "list of names",
        form: str = CAFFE,
    ) -> LabelMap:
        """A labelmap with the background as 0 and ``names`` as 1, 2, …"""
        names = list(names)
        shown = names if display_names is None else list(display_names)
        items = [LabelMapItem(BACKGROUND_NAME, 0, BACKGROUND_DISPLAY_NAME)]
        pairs = zip(names, shown, strict=True)
        items += [LabelMapItem(name, i, display) for i, (name, display) in enumerate(pairs, 1)]
        return cls(items, origin, form)

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
        """The known name that is most like ``name``; None where none is, or they are too many."""
        if len(name) > MOST_LETTERS or len(self) > MOST_COMPARED:
            return None
        known = {item.name.lower(): item.name for item in self.items if item.label != 0}
        known |= {item.display_name.lower(): item.name for item in self.items if item.label != 0}
        found = get_close_matches(name.lower(), known, n=1, cutoff=0.6)
        return known[found[0]] if found else None

    def judged(self) -> list[Fault]:
        """What would break training: duplicates, no background, gaps; each with its cure."""
        return faults_of(self.items)

    def faults(self) -> list[str]:
        """The same as sentences. Empty where the labelmap is sound."""
        return [fault.what for fault in self.judged()]

    def lookalikes(self) -> list[Lookalikes]:
        """Classes whose names, or display names, people take for one."""
        classes = [item for item in self.items if item.label > 0]
        found = lookalikes(item.name for item in classes)
        shown = lookalikes(item.display_name for item in classes)
        return found + [alike for alike in shown if alike not in found]

    def require_sound(self) -> LabelMap:
        """This labelmap, for building or writing.

        >>> LabelMap([LabelMapItem("dog", 1, "dog")]).require_sound()
        Traceback (most recent call last):
        ssd_data.core.errors.InputError: labelmap: the background (label 0) is missing
          Add item { name: "none_of_the_above" label: 0 display_name: "background" }

        Raises:
            InputError: it has a fault (see :meth:`faults`).
        """
        return self._without(self.judged())

    def require_background(self) -> LabelMap:
        """This labelmap, for counting classes: no class may have the background's label.

        Raises:
            InputError: the background is missing, or label 0 is a class.
        """
        return self._without(background_faults(self.items))

    def _without(self, faults: list[Fault]) -> LabelMap:
        if faults:
            what = "; ".join(first_lines([fault.what for fault in faults]))
            cures = first_lines(list(dict.fromkeys(fault.cure for fault in faults)))
            raise InputError(what, where=self.origin, hint=cures)
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
    """A labelmap from the text of a prototxt, Caffe's or TensorFlow's; duplicates and gaps can be
    read.

    >>> text = 'item { name: "n02084071" label: 12 display_name: "dog" }'
    >>> parse_labelmap(text, "labelmap.prototxt").display_name(12)
    'dog'
    >>> [item.label for item in parse_labelmap("item { id: 1 name: 'dog' }", "labelmap.pbtxt")]
    [0, 1]

    Raises:
        InputError: the text is not a LabelMap message, or an item lacks its name or label.
    """
    message = caffe_pb2.LabelMap()
    try:
        text_format.Parse(text, message)
    except text_format.ParseError as error:
        if re.search(r"\bid\s*:", text):
            return _tensorflow(text, origin)
        raise _no_labelmap(error, origin) from None
    if not message.item:
        raise InputError("the labelmap holds no item", where=origin)
    for index, item in enumerate(message.item):
        if not item.HasField("name") or not item.HasField("label"):
            raise InputError("an item lacks its name or label", where=f"{origin}: item {index}")
    items = [LabelMapItem(i.name, i.label, i.display_name or i.name) for i in message.item]
    return LabelMap(items, origin)


def read_labelmap(path: Path | str) -> LabelMap:
    """Read a labelmap file: Caffe's prototxt, TensorFlow's pbtxt, or names, one a line.

    >>> [item.name for item in read_labelmap("labelmap.prototxt")]
    ['none_of_the_above', 'circle', 'square', 'triangle']

    Raises:
        InputError: the file is absent, unreadable or not a labelmap.
    """
    path = as_path(path)
    text = read_text(path, "labelmap", MAX_BYTES)
    if path.suffix.lower() in _ENDINGS or _is_message(text):
        return parse_labelmap(text, str(path))
    return LabelMap.from_names(parse_names(text, str(path)), origin=str(path), form=NAMES)


def _is_message(text: str) -> bool:
    """Whether text begins as a message's does, behind its comments."""
    start = 0
    for line in text.split("\n"):
        if line.strip() and not line.lstrip().startswith("#"):
            break
        start += len(line) + 1
    return _MESSAGE.match(text[start : start + 1000].lstrip()) is not None


def _tensorflow(text: str, origin: str) -> LabelMap:
    try:
        found = parse_pbtxt(text, origin)
    except text_format.ParseError as error:
        raise _no_labelmap(error, origin) from None
    items = [LabelMapItem(BACKGROUND_NAME, 0, BACKGROUND_DISPLAY_NAME)]
    items += [LabelMapItem(name, label, display_name) for label, name, display_name in found]
    return LabelMap(items, origin, TENSORFLOW)


def _no_labelmap(error: text_format.ParseError, origin: str) -> InputError:
    line = error.GetLine()
    return InputError(
        f"not a labelmap: {error}",
        where=f"{origin}:{line}" if line else origin,
        hint='A labelmap is a list of: item { name: "dog" label: 1 display_name: "dog" }',
    )


def write_labelmap(labelmap: LabelMap, path: Path | str, redo: bool = False) -> None:
    """Write a labelmap file, whole or not at all.

    >>> write_labelmap(LabelMap.from_names(["face"]), "faces.prototxt")
    >>> read_labelmap("faces.prototxt").label("face")
    1

    Raises:
        InputError: the labelmap has a fault.
        OutputError: another file is there (and not ``redo``) or it cannot be written.
    """
    write_one(Path(path), labelmap.require_sound().to_text().encode(), redo=redo)
