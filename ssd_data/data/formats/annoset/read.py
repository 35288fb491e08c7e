"""Lists of ``image annotation`` lines, as the original's ``create_annoset.py`` takes them.

Annotations are XML, one JSON a picture, or txt, by their ending; ``pairlists.py`` reads the lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec

from ssd_data.core.files.paths import read_lines
from ssd_data.core.files.remote.address import as_path
from ssd_data.core.notes import Tally
from ssd_data.core.structures import Entry
from ssd_data.data.formats import Format, manyfiles, pairlists


class ListSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A list; the paths in it are from the root.

    Attributes:
        list: the file, from the current folder.
    """

    list: str


def read(root: Path, source: ListSource, notes: Tally) -> Iterator[Entry]:
    """The pictures of the list, in its order.

    Raises:
        InputError: the list is unreadable, or a line is not an image and an annotation (one with
            a label number is a classification list).
    """
    return manyfiles.entries(root, partial(_listed, root, source), notes)


def _listed(root: Path, source: ListSource, notes: Tally) -> Iterator[pairlists.Pending]:
    file = as_path(source.list)
    seen: set[str] = set()
    numbered = enumerate(map(str.strip, read_lines(file, "list")), 1)
    places = [(f"{file}:{number}", line) for number, line in numbered if line]
    parted = [(where, *pairlists.parted(root, line, where)) for where, line in places]
    manyfiles.expect(root, (root / annotation for _, _, annotation in parted))
    pairlists.survey(root, (annotation for _, _, annotation in parted))
    for where, image, annotation in parted:
        if image in seen:
            notes.add("picture stands more than once in the list", f"{where}: {image}")
        seen.add(image)
        yield pairlists.Pending(image, annotation, where)


FORMAT = Format(
    ListSource,
    read,
    needs=lambda source: [],
    names_splits=False,
    outside=lambda source: [as_path(source.list)],
)
