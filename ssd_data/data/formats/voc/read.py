"""Pascal VOC: one XML a picture, lists of picture names in ``ImageSets/Main``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import msgspec

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import is_below
from ssd_data.core.files.there import is_named_there, is_there
from ssd_data.core.notes import Tally
from ssd_data.core.structures import Entry, Unreadable
from ssd_data.data.formats import (
    AnnotationFile,
    Confidence,
    Format,
    Recognised,
    manyfiles,
    pairlists,
)
from ssd_data.data.formats.namelists import Finder, Listed, missing_picture, read_listed
from ssd_data.data.formats.pairlists import Pending
from ssd_data.data.formats.parts import files_in
from ssd_data.data.formats.pictures import stem_of
from ssd_data.data.formats.splitlists import (
    MAIN,
    SplitLists,
    places_in,
    read_lists,
    require_agreement,
)
from ssd_data.data.formats.splits import remarks
from ssd_data.data.formats.tree import Tree
from ssd_data.data.formats.voc.schema import ANNOTATIONS, IMAGES, set_file
from ssd_data.data.formats.voc.xml import looks_like, read_file, stated_name

LAYOUT = """\
<folder>/ImageSets/Main/<split>.txt    names, one a line
<folder>/JPEGImages/<name>.jpg
<folder>/Annotations/<name>.xml"""
SUFFIX = ".xml"
_OTHER_IMAGES = ("images", "image", "imgs", "img", "pictures")  # in small letters
_LOOKED_AT = 20


class VocSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A list of pictures in a VOC tree.

    Attributes:
        folder: the tree's below the root, such as ``VOC2007``; empty for the root itself.
        set: the list's name; one ``*`` in it unites all lists that fit, such as ``*_train``.
        images, annotations: where these folders are called otherwise.
    """

    folder: str = ""
    set: str
    images: str = IMAGES
    annotations: str = ANNOTATIONS

    def path(self, inside: str) -> str:
        """A path in the tree as one below the root."""
        return f"{self.folder}/{inside}" if self.folder else inside

    def finder(self, tree: Tree) -> Finder:
        """What finds the pictures that its list names."""
        annotations = self.path(self.annotations)

        def stated(stem: str) -> str:
            path = f"{annotations}/{stem}{SUFFIX}"
            return stated_name(tree.path(path), path) if is_below(path) else ""

        return Finder.of(tree, self.path(self.images), stated, self.folder)


def recognise(tree: Tree) -> Recognised[VocSource] | None:
    """The lists of ``ImageSets/Main``; those of classes only where they are all there is."""
    main, folders = places_in(tree).get(MAIN.lower()), tree.folders()
    if main != MAIN or ANNOTATIONS not in folders:
        return None
    images = IMAGES
    if IMAGES not in folders:
        images = next((name for name in folders if name.lower() in _OTHER_IMAGES), IMAGES)
    finder = VocSource(set="", images=images).finder(tree)
    found = read_lists(tree, main, finder)
    if not found.splits:
        return None
    splits = {s: [VocSource(set=n, images=images)] for s, n in found.splits.items()}
    why = f"{MAIN} has its lists"
    if any("*" in name for name in found.splits.values()):
        why = f"{MAIN} has lists of classes, all of whose pictures are taken"
    some = map(tree.path, islice(files_in(tree, (SUFFIX,), ANNOTATIONS), _LOOKED_AT))
    sure = Confidence.CONTENT if any(map(FILE.claims, some)) else Confidence.FILES
    said = [*found.said, *_beside(tree, found, finder), *_unlisted(found, finder)]
    said += remarks(found.splits, MAIN)
    return Recognised(dict(sorted(splits.items())), why, sure, said)


def _beside(tree: Tree, taken: SplitLists, finder: Finder) -> Iterator[str]:
    """What is said of lists that lie elsewhere."""
    for place in places_in(tree).values():
        other = taken if place == taken.place else read_lists(tree, place, finder)
        if other.splits and not require_agreement(taken, other):
            yield f"{other.shown()}: not used, since {MAIN} has lists"


def _unlisted(found: SplitLists, finder: Finder) -> Iterator[str]:
    """What is said of pictures that no list names."""
    named = {picture for pictures in found.members.values() for picture in pictures}
    if left := [path for path in finder.pictures.paths if path not in named]:
        count = f"{len(left)} of {len(finder.pictures.paths)} pictures"
        yield f"{count} are in no list of {MAIN} and left out (the first is {left[0]})"


def needs(source: VocSource) -> list[str]:
    """The paths below the root that a source cannot do without."""
    names = MAIN if "*" in source.set else set_file(source.set)
    return [source.path(path) for path in (names, source.images, source.annotations)]


def read(root: Path, source: VocSource, notes: Tally) -> Iterator[Entry]:
    """The pictures of one list, in its order.

    Raises:
        InputError: the list is absent, has several names in a line, or a name may mean several
            pictures.
    """
    manyfiles.expect(root, _annotations(root, source))
    return manyfiles.entries(root, partial(_listed, root, source), notes)


def _listed(root: Path, source: VocSource, notes: Tally) -> Iterator[Entry | Pending]:
    """Only those are read already whose annotation has to be looked at to find them."""
    finder = source.finder(Tree(root))
    for listed in read_listed(root, source.path(set_file(source.set)), finder, notes):
        yield _entry(root, source, listed, finder, notes)


def _annotations(root: Path, source: VocSource) -> Iterator[Path]:
    """The files that will be read."""
    finder, folder = source.finder(Tree(root)), source.path(source.annotations)
    for listed in read_listed(root, source.path(set_file(source.set)), finder, Tally()):
        if listed.picture is not None:
            yield root / f"{folder}/{stem_of(listed.picture.path)}{SUFFIX}"


def _entry(
    root: Path, source: VocSource, listed: Listed, finder: Finder, notes: Tally
) -> Entry | Pending:
    images, annotations = source.path(source.images), source.path(source.annotations)
    if listed.picture is not None:
        image = listed.picture.path
        annotation = f"{annotations}/{stem_of(image)}{SUFFIX}"
        return Pending(f"{images}/{image}", annotation, listed.where)
    stem, image = missing_picture(listed, finder)
    annotation = f"{annotations}/{stem}{SUFFIX}"
    neither = InputError(
        f'"{listed.text}" is neither a picture of {images} nor an annotation of {annotations}',
        where=listed.where,
        hint=finder.pictures.spelling_hint(listed.text)
        or "A list has one name a line, with nothing behind it but perhaps -1, 0 or 1",
    )
    plain = is_below(annotation) and is_below(image) and "\\" not in annotation + image
    if plain and not is_named_there(f"{root}/{annotation}"):
        return Unreadable(f"{images}/{image}", annotation, neither)
    try:
        named = _named_inside(root, source, annotation, finder)
    except InputError as several:
        return Unreadable(f"{images}/{image}", annotation, several)
    if named:
        notes.add("picture found by its annotation's <filename>", f"{annotation}: {named}")
    entry = pairlists.entry(root, f"{images}/{named or image}", annotation, listed.where, notes)
    if isinstance(entry, Unreadable) and entry.unannotated:
        return replace(entry, error=neither, unannotated=False)
    return entry


def _named_inside(root: Path, source: VocSource, annotation: str, finder: Finder) -> str:
    """The picture that an annotation names, where it has none of its own; empty without one."""
    stated = stated_name(root / annotation, annotation) if is_below(annotation) else ""
    named = finder.pictures.find(stated, annotation) if stated else None
    if named is None:
        return ""
    own = source.path(f"{source.annotations}/{stem_of(named.path)}{SUFFIX}")
    return "" if is_there(root / own) else named.path


FORMAT = Format(VocSource, read, needs, layout=LAYOUT, recognise=recognise)
FILE = AnnotationFile(SUFFIX, read_file, looks_like, stated_name)
