"""Raw data sets, one folder a format; the folder's name is its registration.

Its ``read.py`` has one of these, or both:

* ``FORMAT``, a :class:`Format`: a data set, and what says which pictures there are;
* ``FILE``, an :class:`AnnotationFile`: one file a picture, as the lists of other formats name them.

What may be written back to has a ``write.py`` beside it, with a ``Writer`` (see ``writing.py``).
A schema that both need lies in the same folder. No format knows another; what they share is here:

* ``tree.py``: a data set's folders, each listed once, and links in them; ``foldernames.py``: what
  they are called; ``parts.py``: files in them; what is read comes through ``core/files/inside.py``;
* ``pictures.py``: a folder's picture files, and the one that a name means;
* ``splits.py``: what split names mean, contradictions; ``undivided.py``, ``shares.py``: where none
  is stated;
* ``namelists.py``: lists of pictures' names; ``splitlists.py``: those that are splits;
  ``pairlists.py``: lines of ``image annotation``;
* ``indexes.py``: files that list pictures with what is said of them; ``indexsplits.py``: their
  splits;
* ``csvrows.py``, ``jsonrows.py``, ``entities.py``, ``numbers.py``, ``fournumbers.py``, ``hull.py``:
  values;
* ``pixels.py``, ``writing.py``: the way back.

Formats of other packages name themselves by the entry points ``ssd_data.formats`` (with ``FORMAT``
or ``FILE``) and ``ssd_data.writers`` (with ``WRITER``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache, reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ssd_data.core.errors import InputError
from ssd_data.core.files.inside import read_head
from ssd_data.core.registry import FORMATS

if TYPE_CHECKING:
    import msgspec

    from ssd_data.core.notes import Tally
    from ssd_data.core.structures import AnnotatedImage, Entry
    from ssd_data.data.formats.pairlists import Pending
    from ssd_data.data.formats.tree import Tree

S = TypeVar("S", bound="msgspec.Struct")
HEAD_BYTES, MOST_BYTES = 4096, 1 << 62


class Confidence(IntEnum):
    """How sure it is that a folder has a layout: that of the highest is taken."""

    NAMES = 1  # its folders are called so, as those of other layouts may be
    FILES = 2  # there are files that only this layout has
    CONTENT = 3  # its files were looked into: only this layout has such


@dataclass(frozen=True, slots=True)
class Recognised(Generic[S]):
    """A folder that has a format's layout.

    Attributes:
        splits: the sources of each split that is there.
        why: by what it was recognised.
        said: what was guessed or chosen and a user should know, a sentence each, with the way to
            choose otherwise.
        labelmap: a file of the data set that lists its classes, None where there is none.
        name: what the data set is called; the folder's name where empty.
        map: class names to rename or (empty) drop, unless a build is told otherwise.
    """

    splits: Mapping[str, Sequence[S]]
    why: str
    confidence: Confidence = Confidence.FILES
    said: Sequence[str] = ()
    labelmap: Path | None = None
    name: str = ""
    map: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Format(Generic[S]):
    """A format of raw data sets: what it is, and how it is read.

    Attributes:
        source: what a source of a split says, a struct; recipes are checked against it.
        read: the pictures of one source below a root, in list order. An entry whose own annotation
            is broken is an ``Unreadable``; a broken list or JSON raises ``InputError``. The Tally
            takes what is odd but no error.
        needs: the paths below the root without which a source is not there.
        layout: the folder tree that it expects, shown when nothing fits.
        recognise: the splits of a folder, if it is in this layout.
        listing: where each picture has an annotation file of its own: the same pictures as ``read``
            gives, of which those are ``Pending`` whose file is not read yet; workers may read them.
        indexed: the same of a folder and its index, such as a ``data.yaml``, given the path below
            the folder; None where it is no such file.
        classes: name and display name of all classes, where the data set itself states them; empty
            where this one does not: then they are the names that boxes use.
        names_splits: whether sources belong to the named splits of one data set. Else each is a
            list of its own: its LMDB may lie beside it and among those of other lists, and is
            linked under its own name.
        outside: the files of a source that do not lie below the root, which no build replaces.
        truth_file: the file below the root of a source that the metric of the format's name takes
            for the truth, where it says more of it than the boxes that are read; empty where not.
    """

    source: type[S]
    read: Callable[[Path, S, Tally], Iterator[Entry]]
    needs: Callable[[S], list[str]]
    layout: str = ""
    recognise: Callable[[Tree], Recognised[S] | None] | None = None
    classes: Callable[[Path, S], list[tuple[str, str]]] | None = None
    names_splits: bool = True
    outside: Callable[[S], list[Path]] = lambda source: []
    truth_file: Callable[[Path, S], str] | None = None
    indexed: Callable[[Tree, str], Recognised[S] | None] | None = None
    listing: Callable[[Path, S, Tally], Iterator[Entry | Pending]] | None = None


@dataclass(frozen=True, slots=True)
class AnnotationFile:
    """One annotation file a picture.

    Attributes:
        suffix: its ending, such as ``.xml``.
        read: the picture of a file; arguments are its path, the picture's and its own path below
            the root as they are kept, and the Tally that takes what is odd. Raises ``InputError``.
        looks_like: whether a file's first bytes are such a file's, of which several formats may
            have the ending.
        stated: the picture's name that a file states, given its path and its path below the root;
            empty where it states none or cannot be read.
        survey: given some files of a data set, refuses what only all of them together show. Raises
            ``InputError``.
    """

    suffix: str
    read: Callable[[Path, str, str, Tally], AnnotatedImage]
    looks_like: Callable[[bytes], bool] = lambda head: True
    stated: Callable[[Path, str], str] = lambda path, annotation: ""
    survey: Callable[[Sequence[tuple[Path, str]]], None] = lambda files: None

    def claims(self, path: Path) -> bool:
        """Whether a file's first bytes are such a file's; not so where it cannot be read."""
        try:
            head = read_head(path, "annotation", MOST_BYTES, HEAD_BYTES)
        except InputError:
            return False
        return self.looks_like(head)


@dataclass(frozen=True, slots=True)
class Signs:
    """What a format's folder says of itself in its ``__init__.py``, so that the rest is loaded only
    where it may be needed.

    Attributes:
        endings: of files; a folder in the format has one of them. None are said where any may.
        folders: likewise, the names of folders right in it.
        recognised: whether folders are in the format at all.
        file: the ending of its annotation file, empty where it has none.
    """

    endings: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    recognised: bool = True
    file: str = ""

    def end(self, name: str) -> bool:
        """Whether a file is called as one of the format's."""
        return not self.endings or name.lower().endswith(self.endings)

    def fit(self, tree: Tree) -> bool:
        """Whether a folder may be in the format, by the names of what is there."""
        return (
            self.recognised
            and (not self.endings or not tree.endings.isdisjoint(self.endings))
            and (not self.folders or not set(self.folders).isdisjoint(tree.folders()))
        )


_OLD_NAMES = {"flat": "folders"}


def load(name: str) -> Format[Any]:
    """A format of data sets.

    Raises:
        InputError: there is none of that name.
    """
    found: Format[Any] | None = getattr(FORMATS.load(_OLD_NAMES.get(name, name)), "FORMAT", None)
    if found is None:
        known = ", ".join(name for name, _ in all_formats())
        raise InputError(f'"{name}" is a format of single files', hint=f"Data sets: {known}")
    return found


def all_formats() -> Iterator[tuple[str, Format[Any]]]:
    """All formats of data sets, by name."""
    yield from _loaded(FORMATS.names())


def formats_for(tree: Tree) -> Iterator[tuple[str, Format[Any]]]:
    """Those that a folder may be in, by the names of what is there; no other is loaded."""
    names = FORMATS.names()
    yield from _loaded([n for n in names if (signs := _signs(n)) is None or signs.fit(tree)])


def formats_of_index(name: str) -> Iterator[tuple[str, Format[Any]]]:
    """Those that may have an index of that name; no other is loaded."""
    names = FORMATS.names()
    yield from _loaded([n for n in names if (signs := _signs(n)) is None or signs.end(name)])


def _loaded(names: Sequence[str]) -> Iterator[tuple[str, Format[Any]]]:
    for name in names:
        module = FORMATS.load(name)
        if hasattr(module, "FORMAT"):
            yield name, module.FORMAT


def _signs(name: str) -> Signs | None:
    """What a format says of itself; None where it does not, as of another package."""
    found: Signs | None = getattr(FORMATS.folder_of(name), "SIGNS", None)
    return found


@cache
def annotation_files() -> Mapping[str, AnnotationFile]:
    """The formats of single annotation files, by their endings; several of one ending are one."""
    return _AnnotationFiles()


class _AnnotationFiles(Mapping[str, AnnotationFile]):
    """Loads those of an ending when they are asked for."""

    def __init__(self) -> None:
        self._loaded: dict[str, AnnotationFile] = {}
        self._names: dict[str, list[str]] = {}
        for name in FORMATS.names():
            signs = _signs(name)
            file = getattr(FORMATS.load(name), "FILE", None) if signs is None else None
            if ending := signs.file if signs else file.suffix if file else "":
                self._names.setdefault(ending, []).append(name)

    def __getitem__(self, ending: str) -> AnnotationFile:
        if ending not in self._loaded:
            files = [FORMATS.load(name).FILE for name in self._names[ending]]
            self._loaded[ending] = reduce(_either, files)
        return self._loaded[ending]

    def __contains__(self, ending: object) -> bool:
        return ending in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def _either(first: AnnotationFile, other: AnnotationFile) -> AnnotationFile:
    """Reads what only looks like the other as that, all else as the first."""

    def of(path: Path) -> AnnotationFile:
        return other if other.claims(path) and not first.claims(path) else first

    def read(path: Path, image: str, annotation: str, notes: Tally) -> AnnotatedImage:
        return of(path).read(path, image, annotation, notes)

    def stated(path: Path, annotation: str) -> str:
        return of(path).stated(path, annotation)

    return AnnotationFile(first.suffix, read, first.looks_like, stated, first.survey)
