"""A data set on disk, with every alternative decided: its splits, pictures and classes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import msgspec

from ssd_data.core.errors import InputError, UsageError
from ssd_data.core.files.fences import is_kept, keep_inside
from ssd_data.core.labelmap import LabelMap, read_labelmap
from ssd_data.core.notes import Tally
from ssd_data.core.structures import Entry, Unreadable
from ssd_data.data import formats
from ssd_data.data.classes import Classes, numbered, renamed, united
from ssd_data.data.formats import manyfiles
from ssd_data.data.formats.splits import role

TRAINING_LINK, TEST_LINK = "trainval_lmdb", "test_lmdb"
MOST_DIGITS = 19  # of a label number


@dataclass(frozen=True, slots=True)
class DatasetSplit:
    """One split whose sources are there, each a struct of its format; they are read in turn."""

    sources: tuple[msgspec.Struct, ...]
    shuffle: bool = False


@dataclass(frozen=True, slots=True)
class Dataset:
    """A data set that was found, with every alternative decided.

    >>> from ssd_data import find
    >>> found = find("sample/voc")
    >>> found.name, found.format, list(found.splits)
    ('voc', 'voc', ['test', 'trainval'])

    Attributes:
        name: names the out folder and the LMDBs.
        root: the folder that all paths start from.
        format: the name of the format that reads it.
        splits: what can be built.
        links: link name to split (``trainval_lmdb`` to ``trainval``).
        labelmap: the labelmap file, None where the classes come from the data.
        map: class names to rename or (empty) drop.
        metric: the score that belongs to it, empty where none is known.
        lmdb_pattern: an LMDB's name, with ``{name}`` and ``{split}``.
        why: by what a folder's layout was recognised; empty where a recipe or list says it.
        said: what was guessed of the layout and a user should know, a sentence each.
        settled: the labelmap after classes were renamed, see :meth:`with_map`.
        numbers: then, the names that label numbers of txt files stand for; words: all names that
            classes had before.
    """

    name: str
    root: Path
    format: str
    splits: Mapping[str, DatasetSplit]
    links: Mapping[str, str]
    labelmap: Path | None = None
    map: Mapping[str, str] = field(default_factory=dict)
    metric: str = ""
    lmdb_pattern: str = "{name}_{split}_lmdb"
    why: str = ""
    said: tuple[str, ...] = ()
    settled: LabelMap | None = None
    numbers: Mapping[int, str] = field(default_factory=dict)
    words: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if not is_kept(self.root):
            keep_inside(self.root)

    def lmdb_name(self, split: str) -> str:
        """The name of a split's LMDB folder."""
        return self.lmdb_pattern.format(name=self.name, split=split)

    def default_splits(self) -> list[str]:
        """The splits that are linked as training and test."""
        return list(dict.fromkeys(self.links.values())) or list(self.splits)

    def left_out(self, taken: Collection[str]) -> list[str]:
        """A folder's splits that are not among those taken, nor part of one; a recipe's are known.

        >>> from ssd_data import find
        >>> find("sample/voc").left_out(["trainval"])
        ['test']
        """
        whole = any(role(split) == "trainval" for split in taken)
        others = [split for split in self.splits if self.why and split not in taken]
        return [split for split in others if not (whole and role(split) in ("train", "val"))]

    def split(self, name: str) -> DatasetSplit:
        """What the split of this name is made of.

        Raises:
            UsageError: there is none.
        """
        if name not in self.splits:
            hint = f"Splits: {', '.join(self.splits)}"
            raise UsageError(f'{self.name} has no split "{name}" here', hint=hint)
        return self.splits[name]

    def entries(self, split: str, notes: Tally, again: bool = False) -> Iterator[Entry]:
        """The pictures of a split in list order.

        Args:
            notes: takes what is odd but no error.
            again: they will be asked for once more: where workers read them, they are kept.

        Raises:
            UsageError: there is no such split.
            InputError: a list or JSON of the split is broken.
        """
        reader = formats.load(self.format)
        for source in self.split(split).sources:
            key = str(self.root), self.format, split, repr(source)
            read = partial(reader.read, self.root, source)
            for entry in manyfiles.read_once(key, read, notes, again):
                yield self._named(entry) if self.numbers else entry

    def _named(self, entry: Entry) -> Entry:
        """The same picture with names where label numbers stand."""
        if isinstance(entry, Unreadable):
            return entry
        names = [self.numbers.get(c, c) if isinstance(c, int) else c for c in entry.classes]
        return replace(entry, classes=tuple(names))

    def classes(self) -> LabelMap:
        """The labelmap: the recipe's file, what the data states, or all names that it uses.

        Raises:
            InputError: there is no class, or txt files have label numbers that are not 1 to N.
        """
        if self.settled is not None:
            return self.settled
        if self.labelmap is not None:
            return read_labelmap(self.labelmap)
        left, _ = renamed(self._listed(self.map), self.map)
        return self._labelmap_of(left)

    def with_map(self, wanted: Mapping[str, str], fixed: LabelMap | None = None) -> Dataset:
        """The same with classes renamed, merged or (empty) dropped, also in its labelmap.

        Args:
            wanted: old name to new; either may be what people read, such as COCO's "dog".
            fixed: a labelmap that stays as it is.

        Raises:
            InputError: as :meth:`classes`.
        """
        if not wanted:
            return self
        given = fixed or (read_labelmap(self.labelmap) if self.labelmap else None)
        if given is None:
            wanted = {**{old: wanted.get(new, new) for old, new in self.map.items()}, **wanted}
            pairs = self._listed(wanted)
            numbers = {int(n): n for n, _ in pairs if n.isdecimal() and len(n) < MOST_DIGITS}
        else:
            items = sorted(given.require_sound(), key=lambda item: item.label)[1:]
            pairs = [(item.name, item.display_name) for item in items]
            numbers = {item.label: item.name for item in items}
        left, table = renamed(pairs, wanted)
        moved = {old: table.get(new, new) for old, new in self.map.items()}
        settled = fixed or self._labelmap_of(left)
        words = {word for pair in pairs for word in pair} | set(self.map)
        changed = replace(self, map={**moved, **table}, settled=settled, numbers=numbers)
        return replace(changed, words=frozenset(words))

    def _labelmap_of(self, classes: Classes) -> LabelMap:
        stated = formats.load(self.format).classes is not None
        origin = f"the {'classes of' if stated else 'names found in'} {self.root}"
        if not classes:
            raise InputError("no class is left, so no labelmap can be made", where=self.root)
        return LabelMap.from_names([n for n, _ in classes], [d for _, d in classes], origin)

    def _listed(self, wanted: Mapping[str, str]) -> Classes:
        """The classes that the data states, or uses: those sorted by their new names."""
        reader = formats.load(self.format)
        if reader.classes is not None:
            sources = [s for split in self.splits.values() for s in split.sources]
            if stated := united([reader.classes(self.root, one) for one in sources], self.root):
                return stated
        used = self._used()
        numbers = sorted(c for c in used if isinstance(c, int))
        if not numbers:
            changed = sorted({str(c) for c in used}, key=lambda c: (wanted.get(c) or c, c))
            return [(c, c) for c in changed]
        if len(numbers) < len(used):
            raise InputError(
                f'some classes are label numbers, others names ("{numbers[0]}" and '
                f'"{min(c for c in used if isinstance(c, str))}")',
                where=self.root,
                hint="Give each number a name with --map NUMBER=NAME",
            )
        named = set(wanted) >= {str(n) for n in numbers}
        names = [str(n) for n in numbers] if named else numbered(numbers, self.root)
        return [(name, name) for name in names]

    def _used(self) -> set[str | int]:
        """The names, or label numbers, that annotations of any split use."""
        used: set[str | int] = set()
        first: InputError | None = None
        for split in self.splits:
            for entry in self.entries(split, Tally(), again=True):
                if isinstance(entry, Unreadable):
                    first = first or entry.error
                else:
                    used.update(entry.classes)
        if not used:
            text = "no box has a class, so no labelmap can be made"
            raise first or InputError(text, where=self.root)
        return used
