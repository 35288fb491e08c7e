"""Lists of ``image annotation`` lines, as the original's ``create_annoset.py`` takes them.

Paths may hold spaces: image and annotation are parted by a tab, or where both parts exist.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssd_data.core.errors import InputError, as_input_error
from ssd_data.core.files.paths import below, is_below, require_below
from ssd_data.core.files.there import is_file, is_named_there, is_there
from ssd_data.core.notes import Tally
from ssd_data.core.structures import AnnotatedImage, Entry, Unreadable
from ssd_data.data.formats import annotation_files

SURVEYED = 200  # files of a kind that are judged together


class BoxlessError(InputError):
    """That objects of a picture have no box, and nothing else is wrong with it.

    Attributes:
        lacking: where they stand, and what is wrong with each.
        rest: the picture without them.
    """

    def __init__(self, lacking: Sequence[str], rest: AnnotatedImage) -> None:
        super().__init__("; ".join(lacking[:3]) + (" …" if len(lacking) > 3 else ""))
        self.lacking, self.rest = tuple(lacking), rest

    def __reduce__(self) -> tuple[Any, ...]:
        return BoxlessError, (self.lacking, self.rest), self.__dict__

    def entry(self) -> Unreadable:
        """The picture as one that cannot be read, unless it is meant without such objects."""
        image, annotation = self.rest.image, self.rest.annotation
        return Unreadable(image, annotation, self, boxless=self.lacking, rest=self.rest)


def line_of(image: str, annotation: str) -> str:
    r"""A list's line, with its end; a tab parts the two where a path holds a space.

    >>> line_of("JPEGImages/1.jpg", "Annotations/1.xml")
    'JPEGImages/1.jpg Annotations/1.xml\n'
    """
    between = "\t" if " " in image + annotation else " "
    return f"{image}{between}{annotation}\n"


def parted(root: Path, line: str, where: str) -> tuple[str, str]:
    """Image and annotation of a list's line.

    Raises:
        InputError: it is no such line (one with a label number is a classification list's).
    """
    words = line.split("\t") if "\t" in line else line.split(" ")
    words = [word for word in words if word]
    if len(words) == 2:
        image, annotation = words
        if annotation.lstrip("-").isdecimal():
            raise InputError(
                "a label number stands where an annotation should: a classification list",
                where=where,
                hint="Only detection lists can be built: image and annotation file, a line each",
            )
        return image, annotation
    for at in range(len(line)):
        if line[at] == " ":
            image, annotation = line[:at].rstrip(), line[at:].lstrip()
            if is_file(root / image) and is_file(root / annotation):
                return image, annotation
    raise InputError(
        f'"{line}" is not an image and an annotation',
        where=where,
        hint="Part the two with a tab where paths hold spaces",
    )


def _plain(root: Path, path: str) -> str:
    """A path from the root with ``/``, where it is absolute or from Windows; else as it is."""
    if "\\" in path and not is_there(root / path):
        path = path.replace("\\", "/")
    if path.startswith("/"):
        for start in (f"{root.absolute()}/", f"{root.resolve()}/"):
            if path.startswith(start):
                return path[len(start) :].lstrip("/")
    return path


def survey(root: Path, annotations: Iterable[str]) -> None:
    """Let each kind of annotation file be judged as a whole, by the first that there are.

    Args:
        annotations: their paths, as :func:`entry` takes them.

    Raises:
        InputError: they are of another format.
    """
    of_kind: dict[str, list[tuple[Path, str]]] = {}
    for path in annotations:
        kind = f".{path.rpartition('.')[2].lower()}"
        if kind in annotation_files() and len(some := of_kind.setdefault(kind, [])) < SURVEYED:
            inside = _plain(root, path)
            if is_below(inside):
                some.append((root / inside, inside))
    for kind, files in of_kind.items():
        annotation_files()[kind].survey(files)


@dataclass(frozen=True, slots=True)
class Pending:
    """A picture whose annotation file is still to be read, with what :func:`entry` takes."""

    image: str
    annotation: str
    where: str

    def read(self, root: Path, notes: Tally) -> Entry:
        """The picture."""
        return entry(root, self.image, self.annotation, self.where, notes)


def all_read(root: Path, listed: Iterable[Entry | Pending], notes: Tally) -> Iterator[Entry]:
    """What a format lists, read one after the other."""
    for one in listed:
        yield one.read(root, notes) if isinstance(one, Pending) else one


def entry(root: Path, image: str, annotation: str, where: str, notes: Tally) -> Entry:
    """The picture that a list names with its annotation file, whose ending says what it is.

    Args:
        image, annotation: paths below the root, or absolute ones that lie there; hostile until
            checked here.
        where: the list's line.
    """
    image, annotation = _plain(root, image), _plain(root, annotation)
    try:
        require_below(root, image, where)
        path = below(root, annotation, where)
        file = annotation_files().get(path.suffix.lower())
        if file is None:
            # By their last letters: so the oldest stands first.
            *others, last = sorted(annotation_files(), key=lambda suffix: suffix[::-1])
            text = f'"{annotation}" is neither {", ".join(others)} nor {last}'
            raise InputError(text, where=where)
        with as_input_error():
            return file.read(path, image, annotation, notes)
    except BoxlessError as error:
        return error.entry()
    except InputError as error:
        absent = is_below(annotation) and not is_named_there(root / annotation)
        return Unreadable(image, annotation, error, unannotated=absent)
