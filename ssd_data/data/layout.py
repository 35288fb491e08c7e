"""Which format a folder is in: each looks at it and says why, and the surest is taken.

Where two are as sure, nobody guesses.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ssd_data.core.errors import InputError, UsageError
from ssd_data.core.files.fences import (
    keep_inside,
    kept_inside,
    require_inside,
    require_none_refused,
)
from ssd_data.core.files.remote.address import as_path
from ssd_data.core.legible import few
from ssd_data.data import formats, recipes
from ssd_data.data.formats import Confidence, Recognised
from ssd_data.data.formats.foldernames import is_kind
from ssd_data.data.formats.parts import holds_picture
from ssd_data.data.formats.pictures import ENDINGS
from ssd_data.data.formats.splits import is_plain_role
from ssd_data.data.formats.tree import Tree

_RECIPE = """\
  format = "folders"
  links = {{ trainval_lmdb = "trainval", test_lmdb = "test" }}
  [splits.trainval]
  shuffle = true
  sources = [{{ images = "{images}", labels = "{labels}", to = 0.8 }}]
  [splits.test]
  sources = [{{ images = "{images}", labels = "{labels}", from = 0.8 }}]"""
_NO_HINT = {f".{ending}" for ending in ENDINGS}
MOST_SHOWN, MOST_LISTED = 12, 100_000
MOST_DEEP = 4  # folders that hold nothing but one folder
INDEX_FOLDERS = ("wider_face_split",)


@dataclass(frozen=True, slots=True)
class FoundLayout:
    """A folder whose format is known.

    Attributes:
        name: what the folder that was named is called.
        tree: the folder that has the layout: it, or one inside.
        format: the format's name.
        recognised: its splits, and why.
    """

    name: str
    tree: Tree
    format: str
    recognised: Recognised[Any]

    @property
    def root(self) -> Path:
        """That folder."""
        return self.tree.root


def find_layout(
    folder: Path | str, format: str = "", follow_links: bool = False, also: Sequence[Path] = ()
) -> FoundLayout:
    """The layout of a folder, or of the one folder inside that has one.

    Where a folder has but one folder inside, as archives leave it, that is looked into as well.

    Args:
        format: ask only this one.
        follow_links, also: see :func:`ssd_data.core.files.fences.keep_inside`.

    Raises:
        InputError: no layout fits, or two fit alike; the error says how to choose. Or a link leaves
            the folder, see :mod:`ssd_data.core.files.fences`.
        UsageError: ``format`` is no format of folders.
    """
    top = tree = Tree(as_path(folder))
    keep_inside(top.root, follow_links, also)
    name = top.root.resolve().name
    if found := _layout(top, format):
        return FoundLayout(name, top, *found)
    for _ in range(MOST_DEEP):
        trees = map(tree.inner, tree.folders())
        inner = [(one, found) for one in trees if (found := _layout(one, format))]
        if len(inner) > 1:
            raise _several([one.root for one, _ in inner], top.root)
        for one, (kind, found_there) in inner:
            said = f"the data set is taken from {one.root.relative_to(top.root)}, inside {name}"
            told = replace(found_there, said=(said, *found_there.said))
            return FoundLayout(name, one, kind, told)
        if len(tree.folders()) != 1:
            break
        tree = tree.inner(*tree.folders())
    raise _unknown(top, format)


def find_index(
    file: Path | str, format: str = "", follow_links: bool = False, also: Sequence[Path] = ()
) -> FoundLayout:
    """The data set of which a file is the index, such as a ``data.yaml`` or COCO's JSON.

    Its root is the folder that the file lies in, or where that holds a kind of files, such as
    ``annotations``, one above.

    Args:
        format: ask only this one.
        follow_links, also: as for :func:`find_layout`.

    Raises:
        InputError: it is no such file, or may be one of two formats. A link leaves the root.
    """
    file = as_path(file)
    asked = (
        [(format, formats.load(format))] if format else list(formats.formats_of_index(file.name))
    )
    best: tuple[bool, Confidence, FoundLayout] | None = None
    refused: InputError | None = None
    for root, name in _roots(file):
        tree = Tree(root)
        try:
            with kept_inside(root, follow_links, also):
                found, has_picture = _as_index(tree, name, asked, file)
        except InputError as error:
            if root == file.parent:
                raise
            refused = refused or error  # of a folder that may not be meant at all
            continue
        if found is None:
            continue
        one = FoundLayout(root.resolve().name, tree, *found)
        rank = (has_picture, found[1].confidence)
        if best is None or rank > best[:2]:
            best = (*rank, one)
        if rank == (True, Confidence.CONTENT):
            break
    if refused is not None and (best is None or not best[0]):
        raise refused
    if best is None:
        raise _no_index(file, format)
    keep_inside(best[2].root, follow_links, also)
    return best[2]


def _as_index(
    tree: Tree, name: str, asked: Sequence[tuple[str, Any]], file: Path
) -> tuple[tuple[str, Recognised[Any]] | None, bool]:
    """What a file is the index of, if its paths start from that folder; whether pictures lie there.

    Raises:
        InputError: two formats are as sure; what lies in the folder cannot be listed.
    """
    said = [(other, one.indexed(tree, name)) for other, one in asked if one.indexed]
    found = _surest(said, file)
    return found, found is not None and holds_picture(tree)


def _roots(file: Path) -> Iterator[tuple[Path, str]]:
    """The folders that a file's paths may start from, the nearest first; and its path from each."""
    root, whole = file.parent, file.absolute()
    yield root, file.name
    for folder in whole.parents:
        name = folder.name
        if not (is_kind(name) or is_plain_role(name) or name in INDEX_FOLDERS):
            return
        root = root.parent if root.name else root / ".."
        yield root, whole.relative_to(folder.parent).as_posix()


def _layout(tree: Tree, format: str) -> tuple[str, Recognised[Any]] | None:
    """The format that a folder is surely in; None where none fits.

    Raises:
        InputError: two are as sure.
    """
    asked = [(format, formats.load(format))] if format else list(formats.formats_for(tree))
    if format and asked[0][1].recognise is None:
        raise UsageError(f'the format "{format}" is not one of folders', where="--format")
    found = _surest([(n, one.recognise(tree)) for n, one in asked if one.recognise], tree.root)
    require_none_refused(tree.root)
    return found


def _surest(
    tried: Sequence[tuple[str, Recognised[Any] | None]], where: Path
) -> tuple[str, Recognised[Any]] | None:
    """The surest of what formats say; None where none says anything.

    Raises:
        InputError: two are as sure.
    """
    found = [(name, recognised) for name, recognised in tried if recognised is not None]
    if not found:
        return None
    surest = max(recognised.confidence for _, recognised in found)
    best = [pair for pair in found if pair[1].confidence == surest]
    if len(best) == 1:
        return best[0]
    lines = [f"--format {name}: {recognised.why}" for name, recognised in best]
    raise InputError(
        f"this may be {' or '.join(name for name, _ in best)}",
        where=where,
        hint=["Say which it is:", *lines],
    )


def _several(roots: Sequence[Path], folder: Path) -> InputError:
    return InputError(
        f"several data sets lie here: {few([root.name for root in roots])}",
        where=folder,
        hint=f"Name one of them, or a recipe with --root {folder} ({', '.join(recipes.names())})",
    )


def _no_index(file: Path, format: str) -> InputError:
    what = f"no {format} file" if format else "no file"
    lists = file.suffix.lower() == ".txt"
    return InputError(
        f"{what} that lists the pictures of a data set, as far as is known",
        where=file,
        hint="Name the data set's folder"
        + (", with --split for one of its lists" if lists else "")
        + ", or a file such as data.yaml, instances_train.json, annotations.xml or a CSV of boxes",
    )


def _unknown(tree: Tree, format: str) -> InputError:
    held = sorted([*(f"{name}/" for name in tree.folders()), *tree.names()])
    there = few(held, MOST_SHOWN) or "nothing"
    known = {
        name: one.layout
        for name, one in formats.all_formats()
        if one.recognise and format in ("", name)
    }
    files = tree.below()[:MOST_LISTED]
    for path in files:
        require_inside(tree.path(path))
    endings = {f".{path.rpartition('.')[2].lower()}" for path in files} - _NO_HINT
    near = {name: text for name, text in known.items() if any(_names(text, e) for e in endings)}
    what = f"no {format} data set" if format else "no known layout"
    shown = near or known
    hints = ["Known layouts:", *(f"{name}:\n{layout}" for name, layout in shown.items())]
    if others := [name for name in known if name not in shown]:
        hints.append(f"and {', '.join(others)}, as the documentation shows them")
    hints += _recipe(files)
    return InputError(
        f"{what}. Here is: {there}",
        where=tree.root,
        hint="\n".join(hints).split("\n"),
    )


def _names(layout: str, ending: str) -> bool:
    return re.search(re.escape(ending) + r"\b", layout) is not None


def _recipe(files: Sequence[str]) -> list[str]:
    """The recipe that reads pictures of one folder with the annotations of another, if it may be
    so."""
    pictures, annotations = _fullest(files, ENDINGS), _fullest(files, {"xml", "txt", "json"})
    if not pictures or not annotations:
        return []
    (images, many), (labels, some) = pictures, annotations
    return [
        f"There are {many} pictures in {images}/ and {some} annotations in {labels}/. If they "
        "belong together, a recipe my.toml reads them: ssd-data build my.toml",
        _RECIPE.format(images=images, labels=labels),
    ]


def _fullest(files: Sequence[str], endings: Collection[str]) -> tuple[str, int] | None:
    """The folder that holds most files of these endings, and how many."""
    held: Counter[str] = Counter()
    for path in files:
        inside, _, name = path.rpartition("/")
        held[inside or "."] += name.rpartition(".")[2].lower() in endings
    ((inside, count),) = held.most_common(1) or [("", 0)]
    return (inside, count) if count else None
