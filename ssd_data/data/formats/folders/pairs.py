"""Which annotation is a picture's.

The one of the same path without ending; else of the same name alone; else the one whose
``<filename>`` names the picture, where neither has another.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ssd_data.core.errors import InputError
from ssd_data.core.files.near import by_fold, spelling_hint
from ssd_data.core.files.paths import require_below
from ssd_data.core.notes import Tally
from ssd_data.core.structures import Entry, Unreadable
from ssd_data.data.formats import AnnotationFile, annotation_files
from ssd_data.data.formats.folders.schema import FolderSource, plain_folder
from ssd_data.data.formats.namelists import Finder
from ssd_data.data.formats.pairlists import survey
from ssd_data.data.formats.pictures import has_picture_ending, owner_of, stem_of
from ssd_data.data.formats.splits import is_plain_role
from ssd_data.data.formats.tree import Tree, joined

# Text files that lie beside annotations: lists of classes, and what exports come with.
_COMPANIONS = """classes class_names labels labelmap label_map names notes obj predefined_classes
readme readme.dataset readme.roboflow"""


@dataclass(frozen=True, slots=True)
class AnnotationOf:
    """A picture whose annotation is still to be read."""

    image: str
    file: str

    def read(self, root: Path, notes: Tally) -> Entry:
        """See :class:`~ssd_data.data.formats.manyfiles.Waiting`."""
        return file_of(self.file).read(root / self.file, self.image, self.file, notes)

    def unreadable(self, error: InputError) -> Unreadable:
        """See :class:`~ssd_data.data.formats.manyfiles.Waiting`."""
        return Unreadable(self.image, self.file, error)


def file_of(path: str) -> AnnotationFile:
    """The format of an annotation file."""
    return annotation_files()[Path(path).suffix.lower()]


class Pairs:
    """The pictures of a source and their annotations.

    Args:
        root: the data set's.
        source: its folders.
        notes: takes what was found in another way than by its path.

    Raises:
        InputError: a folder is not below the root.
    """

    def __init__(self, root: Path, source: FolderSource, notes: Tally) -> None:
        self.root, self.notes = root, notes
        self.images, self.labels = plain_folder(source.images), plain_folder(source.labels)
        tree = Tree(root)
        self.finder = Finder.of(tree, self.images, self._stated)
        self.pictures = self.finder.pictures
        if self.labels:
            require_below(root, self.labels)
        kinds = {source.files.lower()} if source.files else annotation_files().keys()
        self.annotations: dict[str, list[str]] = {}
        for path in tree.below(self.labels):
            if f".{path.rpartition('.')[2].lower()}" in kinds:
                self.annotations.setdefault(owner_of(path), []).append(path)

    def survey(self) -> None:
        """Let each kind of annotation be judged as a whole, by the first files.

        Raises:
            InputError: they are of another format.
        """
        found = []
        own = self.annotations.keys() & self.pictures.by_stem.keys()
        for stem in sorted(own or self.annotations):
            with suppress(InputError):  # said when it is read
                found.append(joined(self.labels, self._chosen(self.annotations[stem])))
        survey(self.root, found)

    def files(self) -> Iterator[Path]:
        """The annotations that have a picture's name: those that will be read, nearly all."""
        for stem in self.pictures.by_stem:
            for path in self.annotations.get(stem, ()):
                yield self.root / joined(self.labels, path)

    def entry(self, picture: str) -> Entry | AnnotationOf | None:
        """A picture with its annotation; None where that is of its twin with another ending."""
        image = joined(self.images, picture)
        annotation = joined(self.labels, f"{stem_of(picture)}.xml")
        try:
            found = self._annotation(picture)
            if found is None and self.annotations.get(stem_of(picture)):
                kind = "picture left out: its annotation names one with another ending"
                self.notes.add(kind, image)
                return None
            if found is None:
                hint = self._nearest(stem_of(picture))
                missing = InputError("the annotation is missing", where=annotation, hint=hint)
                return Unreadable(image, annotation, missing, unannotated=True)
            return AnnotationOf(image, joined(self.labels, found))
        except InputError as error:
            return Unreadable(image, annotation, error)

    def _nearest(self, stem: str) -> str:
        """What to say of an annotation that nearly has a picture's name."""
        hints = (spelling_hint(stem + ending, self._folded) for ending in self._endings)
        return next(filter(None, hints), "")

    @cached_property
    def _endings(self) -> list[str]:
        return sorted({Path(path).suffix for paths in self.annotations.values() for path in paths})

    @cached_property
    def _folded(self) -> dict[str, str]:
        return by_fold(path for paths in self.annotations.values() for path in paths)

    def left_over(self) -> list[str]:
        """The annotations that no picture has, of the kinds that pictures have.

        None where annotations are found by their names alone: they may be those of other sources.
        """
        if self._by_name.keys() & self._namesakes.keys():
            return []
        owned = self.annotations.keys() & self.pictures.by_stem.keys()
        kinds = {Path(path).suffix.lower() for stem in owned for path in self.annotations[stem]}
        taken = set(self._by_statement.values())
        return [
            joined(self.labels, path)
            for stem, paths in self.annotations.items()
            for path in paths
            if stem not in owned and path not in taken and Path(path).suffix.lower() in kinds
            if not (path.endswith(".txt") and _is_companion(stem))
        ]

    def _annotation(self, picture: str) -> str | None:
        """The path of a picture's annotation below their folder; None where there is none.

        Raises:
            InputError: several may be it, or it may be that of several pictures.
        """
        stem = stem_of(picture)
        paths = self.annotations.get(stem, [])
        if named := [path for path in paths if stem_of(path) == picture]:  # a.jpg.xml
            return self._chosen(named)
        if paths := [path for path in paths if not has_picture_ending(stem_of(path))]:
            path = self._chosen(paths)
            twins = self.pictures.by_stem[stem]
            if len(twins) > 1:
                owner = self.pictures.of_stem(stem, self._stated(stem), joined(self.labels, path))
                return path if owner == picture else None
            return path
        name = stem.rpartition("/")[2]
        if namesakes := self._by_name.get(name):
            path = self._chosen(namesakes)
            if len(rivals := self._namesakes.get(name, [])) > 1:
                raise InputError(
                    f"the annotation may be of {rivals[0]} or of {rivals[1]}",
                    where=joined(self.labels, path),
                    hint="Give annotations the folders that the pictures have",
                )
            return path
        if path := self._by_statement.get(picture, ""):
            where = f"{joined(self.labels, path)}: {picture}"
            self.notes.add("picture found by its annotation's <filename>", where)
        return path or None

    def _chosen(self, paths: list[str]) -> str:
        """Of annotations that differ by their endings only the one that is what that says."""
        if len(paths) == 1:
            return paths[0]
        right = [p for p in paths if file_of(p).claims(self.root / self.labels / p)]
        if len(right) != 1:
            endings = [Path(path).suffix for path in paths]
            raise InputError(
                f"there are annotations of several kinds here: {' and '.join(endings)}",
                where=joined(self.labels, stem_of(paths[0])),
                hint=f'Move one kind away, or choose in a recipe: files = "{endings[0]}"',
            )
        return right[0]

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        """The annotations whose path is no picture's, by their names alone; together none are."""
        found: dict[str, list[str]] = {}
        if self.images != self.labels:
            for stem, paths in self.annotations.items():
                if stem not in self.pictures.by_stem:
                    found.setdefault(stem.rpartition("/")[2], []).extend(paths)
        return found

    @cached_property
    def _namesakes(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for stem in self.pictures.by_stem:
            found.setdefault(stem.rpartition("/")[2], []).append(stem)
        return found

    @cached_property
    def _by_statement(self) -> dict[str, str]:
        """The pictures without annotation that one annotation without a picture names."""
        found: dict[str, list[str]] = {}
        names = self._namesakes.keys()
        for stem, paths in self.annotations.items():
            if stem in self.pictures.by_stem or stem.rpartition("/")[2] in names:
                continue
            for path in paths:
                named = self._named(path)
                if named and stem_of(named) not in self.annotations:
                    found.setdefault(named, []).append(path)
        return {picture: paths[0] for picture, paths in found.items() if len(paths) == 1}

    def _named(self, path: str) -> str:
        name = joined(self.labels, path)
        stated = file_of(path).stated(self.root / name, name)
        try:
            found = self.pictures.find(stated, name) if stated else None
        except InputError:
            return ""
        return found.path if found else ""

    def _stated(self, stem: str) -> str:
        """The picture's name that the annotation of a path without ending states."""
        for path in self.annotations.get(stem, []):
            name = joined(self.labels, path)
            if stated := file_of(path).stated(self.root / name, name):
                return stated
        return ""


def _is_companion(stem: str) -> bool:
    name = stem.rpartition("/")[2].lower()
    return name in _COMPANIONS.split() or is_plain_role(name)
