"""Pictures and one annotation file each, in one folder or in two: VOC XML, txt, or the original's
JSON a picture.

Which pictures are in which split, lists or folders say; where nothing does, a share of the shuffled
pictures is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import below
from ssd_data.core.notes import Tally
from ssd_data.core.structures import Entry, Unreadable
from ssd_data.data.formats import Format, manyfiles
from ssd_data.data.formats.folders.pairs import AnnotationOf, Pairs
from ssd_data.data.formats.folders.recognise import LAYOUT, recognise
from ssd_data.data.formats.folders.schema import FolderSource
from ssd_data.data.formats.namelists import read_listed


def read(root: Path, source: FolderSource, notes: Tally) -> Iterator[Entry]:
    """The pictures of one list in its order, or of a folder by name; a share of them sorted again.

    Raises:
        InputError: a folder is absent or holds no picture, a list is broken, or the annotations are
            of another format.
    """
    return manyfiles.entries(root, partial(_pairs, root, source), notes)


def _pairs(root: Path, source: FolderSource, notes: Tally) -> Iterator[Entry | AnnotationOf]:
    pairs = Pairs(root, source, notes)
    if not pairs.finder.pictures.paths:
        raise InputError("no pictures here", where=below(root, source.images or "."))
    manyfiles.expect(root, pairs.files())
    pairs.survey()
    if source.list:
        yield from _listed(root, source, pairs, notes)
        return
    for name in source.share_of(pairs.finder.pictures.paths):
        if (entry := pairs.entry(name)) is not None:
            yield entry
    if source.first == 0 and not source.shared:
        for path in pairs.left_over():
            notes.add("annotation without a picture (left out)", path)


def _listed(
    root: Path, source: FolderSource, pairs: Pairs, notes: Tally
) -> Iterator[Entry | AnnotationOf]:
    found = list(read_listed(root, source.list, pairs.finder, notes))
    for listed in source.share_of(found):
        if listed.picture is not None:
            if (entry := pairs.entry(listed.picture.path)) is not None:
                yield entry
        else:
            missing = InputError(
                f'"{listed.text}" is no picture of {source.images or "this folder"}',
                where=listed.where,
                hint=pairs.pictures.spelling_hint(listed.text)
                or "A list has a picture's name a line, with nothing behind it",
            )
            yield Unreadable(listed.text, source.list, missing)


def needs(source: FolderSource) -> list[str]:
    """The paths below the root that a source cannot do without."""
    listed = source.list.rpartition("/")[0] or "." if "*" in source.list else source.list
    return [source.images or ".", source.labels or ".", *filter(None, [listed])]


FORMAT = Format(FolderSource, read, needs, layout=LAYOUT, recognise=recognise)
