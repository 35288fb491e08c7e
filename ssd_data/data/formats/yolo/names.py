"""What YOLO's class numbers, counted from 0, stand for.

``data.yaml`` has ``names`` as a list or as a table by number (in any order), or only how many there
are (``nc``). Files of names have one a line. Label Studio writes ``classes.txt`` in the order of
its configuration, not by number: the numbers are in ``notes.json`` beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from ssd_data.core.errors import InputError
from ssd_data.core.files.inside import read_bytes, read_text
from ssd_data.core.files.paths import below, listable
from ssd_data.core.files.plain_yaml import PlainYaml, read_yaml
from ssd_data.data.formats.numbers import number
from ssd_data.data.formats.tree import Tree
from ssd_data.data.formats.yolo.schema import LINE

YAML = (".yaml", ".yml")
NOTES = "notes.json"
FILES = (
    "classes.txt",
    "obj.names",
    "classes.names",
    "names.txt",
    "labels.txt",
    "class_names.txt",
    "_darknet.labels",
    "predefined_classes.txt",
)
MOST_BYTES = 1 << 22
MOST_CLASSES = 100_000
_EMPTY = "Numbers count all names before them: name it, or mend the numbers if a line is too much"
_MEND = "Name the classes in order, the first is 0: names: [cat, dog], or names: {0: cat, 1: dog}"


@dataclass(frozen=True, slots=True)
class Classes:
    """The classes that a file names.

    Attributes:
        file: which, below the root; empty where there is none.
        names: by number; empty where only their count is known, or nothing.
        count: how many there are; None where nothing says.
        columns: how many a line with key points has, 0 where it has none.
        certain: whether the file says that boxes are centre and sides, whatever they look like.
    """

    file: str = ""
    names: Mapping[int, str] = field(default_factory=dict)
    count: int | None = None
    columns: int = 0
    certain: bool = False

    def name(self, number: int) -> str | None:
        """A class's name, its number where none are known; None where there is no such class.

        >>> Classes("data.yaml", {0: "cat"}).name(1), Classes().name(1)
        (None, '1')
        """
        if self.names:
            return self.names.get(number)
        most = MOST_CLASSES if self.count is None else self.count
        return str(number) if 0 <= number < most else None

    def __str__(self) -> str:
        """Which numbers there are, and who says so."""
        numbers = sorted(self.names) or range(self.count or 0)
        if not numbers:
            return f"classes are numbers from 0 to {MOST_CLASSES - 1}"
        return f"{self.file} names {numbers[0]} to {numbers[-1]}"


def read_classes(root: Path, file: str) -> Classes:
    """The classes that a file below the root names; none where it is an empty path.

    Raises:
        InputError: the file is absent or broken, or a name is empty or stands twice.
    """
    if not file:
        return Classes()
    path = below(root, file)
    if path.suffix.lower() in YAML:
        return from_yaml(read_yaml(path, "YAML file", file), file)
    if path.suffix.lower() == ".json":
        return _from_notes(read_bytes(path, "file of classes", MOST_BYTES, file), file)
    return Classes(file, _from_lines(read_text(path, "list of classes", MOST_BYTES, file), file))


def from_yaml(table: PlainYaml, file: str) -> Classes:
    """The classes of a ``data.yaml``.

    >>> from_yaml({"names": {"1": "dog", "0": "cat"}, "nc": "2"}, "data.yaml").names
    {0: 'cat', 1: 'dog'}

    Raises:
        InputError: it names none, ``nc`` is another count, or a name is empty or stands twice.
    """
    if not isinstance(table, dict):
        raise InputError("no table of keys", where=file, hint=_MEND)
    names = _named(table.get("names", ""), file)
    count = _whole(table["nc"], "nc", file) if table.get("nc") else None
    if count is not None and names and count != len(names):
        raise InputError(
            f"nc says {count} classes, names are {len(names)}",
            where=file,
            hint="Mend the one that is wrong; nc may be left out",
        )
    if not names and count is None:
        raise InputError("neither names nor nc", where=file, hint=_MEND)
    if (line := table.get("line", "")) not in ("", LINE):
        raise InputError("line is not what is read", where=file, hint=f"It can be: line: {LINE}")
    return Classes(file, names, count, _columns(table.get("kpt_shape", ""), file), line == LINE)


def files_of_names(tree: Tree, folders: Iterable[str]) -> list[str]:
    """The files of some folders below the root that name classes, the surest first."""
    found: list[str] = []
    for folder in dict.fromkeys(folders):
        there = set(tree.names(folder))
        ours = [name for name in (NOTES, *FILES) if name in there]
        others = sorted(name for name in there if name.endswith(".names") and name not in ours)
        found += [name if folder in ("", ".") else f"{folder}/{name}" for name in ours + others]
    return found


def _named(stated: PlainYaml, file: str) -> dict[int, str]:
    if isinstance(stated, str):
        if stated:
            raise InputError(f'names is "{listable(stated)}"', where=file, hint=_MEND)
        return {}
    pairs = stated.items() if isinstance(stated, dict) else enumerate(stated)
    found: dict[int, str] = {}
    for key, name in pairs:
        at = f"{file}: names: {listable(str(key))}"
        if not isinstance(name, str):
            raise InputError("a name is a text", where=at, hint=_MEND)
        if found.setdefault(_whole(key, "a class's number", at), name.strip()) != name.strip():
            raise InputError("this number stands twice", where=at, hint=_MEND)
    _require_names(found, f"{file}: names")
    return dict(sorted(found.items()))


def _whole(stated: object, what: str, where: str) -> int:
    value = number(str(stated).strip())
    if not (0 <= value <= MOST_CLASSES and value == int(value)):
        text = f'{what} is "{listable(str(stated))[:80]}"'
        raise InputError(f"{text}, not a whole number from 0", where=where, hint=_MEND)
    return int(value)


def _columns(stated: PlainYaml, file: str) -> int:
    """Those of a line with ``kpt_shape: [points, values a point]``."""
    if not stated:
        return 0
    if not isinstance(stated, list) or len(stated) != 2:
        raise InputError("kpt_shape is not [points, 2 or 3]", where=file)
    points, values = (_whole(one, "kpt_shape", file) for one in stated)
    return 5 + points * values


def _from_lines(text: str, file: str) -> dict[int, str]:
    lines = [line.strip() for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        raise InputError("the list of classes is empty", where=file)
    names = dict(enumerate(lines))
    _require_names(names, file, lines=True)
    return names


class _Category(msgspec.Struct):
    id: int | str
    name: str


class _Notes(msgspec.Struct):
    categories: list[_Category]


def _from_notes(data: bytes, file: str) -> Classes:
    try:
        categories = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=_Notes).categories
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"no notes of Label Studio: {error}", where=file) from None
    names: dict[int, str] = {}
    for category in categories:
        at = f"{file}: categories"
        if names.setdefault(_whole(category.id, "an id", at), category.name.strip()) != (
            category.name.strip()
        ):
            raise InputError(f"the id {category.id} stands twice", where=at)
    _require_names(names, file)
    return Classes(file, dict(sorted(names.items())))


def _require_names(names: Mapping[int, str], where: str, lines: bool = False) -> None:
    known: dict[str, int] = {}
    for key, name in names.items():
        at = f"{where}:{key + 1}" if lines else where
        if not name:
            raise InputError(f"class {key} has an empty name", where=at, hint=_EMPTY)
        if not name.isprintable():
            raise InputError(f"{name!a} is no name", where=at)
        if known.setdefault(name, key) != key:
            text = f'"{name}" is class {known[name]} and class {key}'
            raise InputError(text, where=at, hint="Give each class a name of its own")


def same(a: Classes, b: Classes) -> bool:
    """Whether two files name the same classes."""
    return dict(a.names) == dict(b.names)
