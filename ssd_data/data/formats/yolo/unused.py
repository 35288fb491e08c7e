"""Files that say something else of a data set than the one that is taken: lists of pictures that
divide it otherwise, a second index, other names of the classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import listable
from ssd_data.core.files.there import is_file
from ssd_data.data.formats.pictures import Pictures
from ssd_data.data.formats.splits import exclude, refuse_shared, role
from ssd_data.data.formats.tree import Tree, joined
from ssd_data.data.formats.yolo.folders import split_lists
from ssd_data.data.formats.yolo.names import files_of_names, read_classes, same
from ssd_data.data.formats.yolo.pairs import LIST, listed_pictures
from ssd_data.data.formats.yolo.schema import YoloSource
from ssd_data.data.formats.yolo.stated import YoloIndex, data_files

Splits = Mapping[str, Sequence[YoloSource]]


def unused(tree: Tree, stated: YoloIndex) -> Iterator[str]:
    """What is said of files that an index contradicts, a sentence each."""
    for name in data_files(tree):
        if name != stated.file:
            yield f"{listable(name)} is not read beside {stated.file}"
    yield from other_names(tree, stated.names, [""])
    if lists := list(_other_lists(tree, stated.splits)):
        names = " and ".join(listable(name) for name, _ in lists)
        verb = "lists" if len(lists) == 1 else "list"
        yield f"{names} {verb} other pictures: not used, since {stated.file} says the splits"


def other_names(tree: Tree, taken: str, folders: Sequence[str]) -> Iterator[str]:
    """What is said of files that name other classes than the one that is taken."""
    if not taken:
        return
    ours = read_classes(tree.root, taken)
    for name in files_of_names(tree, folders):
        if name == taken:
            continue
        try:
            if not same(read_classes(tree.root, name), ours):
                yield f"{listable(name)} names other classes than {taken}, which is taken"
        except InputError as error:
            yield f"{listable(name)} is not read beside {taken} ({error.sentence})"


def beside_folders(tree: Tree, splits: Splits) -> Iterator[str]:
    """The same of lists where the folders' names say the splits.

    Raises:
        InputError: a list would test with what a folder trains on, or the other way round.
    """
    for name, members in _other_lists(tree, splits):
        for split, sources in splits.items():
            if exclude(split, name[: -len(LIST)]):
                theirs = dict.fromkeys(_pictures(tree, sources), "")
                refuse_shared(f'the folder of "{split}"', theirs, name, members)
        yield f"{listable(name)}: not used, since the folders' names say the splits"


def _other_lists(tree: Tree, splits: Splits) -> Iterator[tuple[str, dict[str, str]]]:
    """The lists of splits that are not taken and name other pictures than their split has; with
    the place that names each.
    """
    taken = {source.images for sources in splits.values() for source in sources}
    known: Pictures | None = None
    for name in split_lists(tree):
        if name in taken:
            continue
        known = known or Pictures.of(tree)
        try:
            members = dict(listed_pictures(tree.root, name, known))
        except InputError:
            members = {}
        alike = [s for split, s in splits.items() if role(split) == role(name[: -len(LIST)])]
        if members.keys() != {path for sources in alike for path in _pictures(tree, sources)}:
            yield name, members


def _pictures(tree: Tree, sources: Sequence[YoloSource]) -> Iterator[str]:
    """The pictures of some sources, below the root."""
    for source in sources:
        if is_file(tree.path(source.images)):
            found = listed_pictures(tree.root, source.images, Pictures.of(tree))
            yield from (path for path, _ in found)
        else:
            inside = Pictures.of(tree, source.images).paths
            yield from (joined(source.images, path) for path in inside)
