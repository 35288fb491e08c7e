"""Lists of ``image annotation`` lines, as the original's ``create_annoset.py`` takes them.

Source option: ``list``, the file. Annotations are XML, one JSON a picture, or txt, by their ending.
Paths may hold spaces: image and annotation are parted by a tab, or where both parts exist.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import below, read_lines
from ssd_data.core.notes import Tally
from ssd_data.core.structures import Entry, Unreadable
from ssd_data.data import formats
from ssd_data.data.formats import Options

REQUIRED = ("list",)


def needs(options: Options) -> list[str]:
    """Nothing below the root but what the list names."""
    return []


def read(root: Path, options: Options, notes: Tally) -> Iterator[Entry]:
    """The pictures of the list, in its order.

    Raises:
        InputError: the list is unreadable, or a line is not an image and an annotation (one with
            a label number is a classification list).
    """
    file = Path(options["list"])
    seen: set[str] = set()
    for number, line in enumerate(read_lines(file, "list"), 1):
        if not line.strip():
            continue
        where = f"{file}:{number}"
        image, annotation = _split(root, line.strip(), where)
        if image in seen:
            notes.add("picture stands more than once in the list", f"{where}: {image}")
        seen.add(image)
        yield _entry(root, image, annotation, where, notes)


def _entry(root: Path, image: str, annotation: str, where: str, notes: Tally) -> Entry:
    try:
        below(root, image, where)
        path = below(root, annotation, where)
        reader = formats.by_suffix(path.suffix)
        if reader is None:
            raise InputError(f'"{annotation}" is neither .xml, .json nor .txt', where=where)
        entry: Entry = reader.read_file(path, image, annotation, notes)
    except InputError as error:
        entry = Unreadable(image, annotation, error)
    return entry


def _split(root: Path, line: str, where: str) -> tuple[str, str]:
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
            if (root / image).is_file() and (root / annotation).is_file():
                return image, annotation
    raise InputError(
        f'"{line}" is not an image and an annotation',
        where=where,
        hint="Part the two with a tab where paths hold spaces",
    )
