"""Finds a data set: by a recipe's name, a recipe file, a list or its folder's layout."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

import msgspec

from ssd_data.core.errors import InputError, UsageError
from ssd_data.core.files.fences import keep_inside
from ssd_data.core.files.remote.address import as_path, remote
from ssd_data.core.files.there import is_folder, is_there
from ssd_data.core.legible import few
from ssd_data.data import formats, recipes
from ssd_data.data.classlist import class_list
from ssd_data.data.dataset import TEST_LINK, TRAINING_LINK, Dataset, DatasetSplit
from ssd_data.data.formats.annoset.read import ListSource
from ssd_data.data.formats.splits import is_training, linked
from ssd_data.data.layout import FoundLayout, find_index, find_layout
from ssd_data.data.lmdb.store import is_lmdb
from ssd_data.data.lmdb.strangers import refuse_stranger
from ssd_data.data.recipes import Recipe, SourceTable, alternatives


def find(
    what: str | Path,
    root: Path | str | None = None,
    splits: Collection[str] = (),
    format: str = "",
    *,
    follow_links: bool = False,
    out: Path | None = None,
) -> Dataset:
    """A data set by recipe name, recipe path, folder, or the file that lists its pictures.

    >>> find("sample/voc").links
    {'trainval_lmdb': 'trainval', 'test_lmdb': 'test'}

    Args:
        splits: the splits that have to be there; else those that the recipe links.
        what: ``voc0712``, ``my.toml``, a folder whose layout is recognised, or the index of a data
            set: its ``data.yaml``, ``instances_train.json``, ``annotations.xml``, CSV …
        root: where a recipe's files lie; else ``$SSD_DATA_ROOT``, else the current folder and its
            ``data/``. For a recipe of the user's own also the folder that the recipe lies in.
        format: of a folder: read it as that, whatever else it may be.
        follow_links: read through links that leave the folder, too; else they are refused.
        out: the folder of the build: that its links lead there is no reason to refuse them.

    Raises:
        UsageError: there is neither a recipe nor a folder or file of that name.
        InputError: the files are not there; the error shows what was expected and found. A link
            leaves the folder.
    """
    path, what = as_path(what), str(what)
    root = None if root is None else as_path(root)
    if remote(path) and not is_there(path):
        raise InputError("nothing lies at this address", where=path)
    if what not in recipes.names() and is_there(path) and path.suffix != ".toml":
        if root is not None:
            raise UsageError("--root belongs to a recipe; a folder is its own root", where=what)
        return _found(path, format, follow_links, out)
    if format:
        raise UsageError("--format belongs to a folder; a recipe says its own", where=what)
    if what not in recipes.names():
        refuse_stranger(path)
    recipe = recipes.load(what)
    if unknown := [split for split in splits if split not in recipe.splits]:
        raise UsageError(
            f'{recipe.name} has no split "{unknown[0]}"', hint=f"Splits: {', '.join(recipe.splits)}"
        )
    tried = list(_roots(recipe, root, path))
    for candidate in tried:
        if is_folder(candidate) and (dataset := _resolve(recipe, candidate, splits)):
            keep_inside(candidate, follow_links)
            return dataset
    raise _nothing_fits(recipe, tried, splits)


def _found(path: Path, format: str, follow_links: bool, out: Path | None) -> Dataset:
    """The data set that a folder holds, or that a file lists."""
    if not is_folder(path):
        refuse_stranger(path)
        return _dataset(find_index(path, format, follow_links, [out] if out else []))
    try:
        return recognise(path, format, follow_links=follow_links, out=out)
    except InputError:
        _refuse_databases(path)
        raise


def _refuse_databases(path: Path) -> None:
    """A folder that no format reads may hold a database; that is said then."""
    refuse_stranger(path)
    hint = (
        "ssd-data export LMDB --to voc -o DIR writes pictures and annotations; inspect and check "
    )
    hint += "take an LMDB as it is"
    folders = sorted(inside for inside in path.iterdir() if is_folder(inside))
    if is_lmdb(path):
        raise InputError("this is an LMDB, not a data set to build one of", where=path, hint=hint)
    if folders and all(is_lmdb(inside) for inside in folders):
        names = ", ".join(inside.name for inside in folders[:5])
        raise InputError(f"here are LMDBs ({names}), no data set", where=path, hint=hint)


def _roots(recipe: Recipe, root: Path | None, path: Path) -> Iterator[Path]:
    if root is not None:
        if not is_folder(root):
            raise InputError("no such folder", where=root)
        starts = [root]
    elif environment := os.environ.get("SSD_DATA_ROOT"):
        starts = [as_path(environment)]
    else:
        starts = [Path(), Path("data"), *([path.parent] if path.suffix == ".toml" else [])]
    for start in starts:
        yield start
        yield from (start / name for name in recipe.folders)


def _resolve(recipe: Recipe, root: Path, wanted: Collection[str]) -> Dataset | None:
    """The data set if the wanted (else the linked) splits are there; others may be absent."""
    splits, reader = {}, formats.load(recipe.format)
    for name, split in recipe.splits.items():
        for choice in split.choices:
            sources = tuple(_decide(root, table, reader.source) for table in choice)
            needed = (root / path for one in sources for path in reader.needs(one))
            if all(map(is_there, needed)):  # a path that is too long is none
                splits[name] = DatasetSplit(sources, split.shuffle)
                break
    links = {}
    for link, choices in recipe.links.items():
        if found := next((split for split in choices if split in splits), None):
            links[link] = found
    complete = len(links) == len(recipe.links) and (links or len(splits) == len(recipe.splits))
    if not (set(wanted) <= set(splits) if wanted else complete):
        return None
    return Dataset(
        recipe.name, root, recipe.format, splits, links, recipe.labelmap, recipe.map, recipe.metric
    )


def _decide(root: Path, table: SourceTable, kind: type[msgspec.Struct]) -> msgspec.Struct:
    """A source with each list of alternatives replaced by the first path that is there."""
    chosen = {}
    for key, value in table.items():
        several = alternatives(value)
        there = (one for one in several if len(several) > 1 and is_there(root / one))
        chosen[key] = next(there, several[0])
    return msgspec.convert(chosen, kind)


def _nothing_fits(recipe: Recipe, tried: list[Path], wanted: Collection[str]) -> InputError:
    """What was expected below the likeliest of the roots, and what is there."""
    linked = {splits[-1] for splits in recipe.links.values()} or set(recipe.splits)
    chosen = [recipe.splits[name].choices[-1] for name in sorted(set(wanted) or linked)]
    reader = formats.load(recipe.format)

    def paths(root: Path) -> list[str]:
        sources = [_decide(root, table, reader.source) for choice in chosen for table in choice]
        return sorted({path for source in sources for path in reader.needs(source)})

    def absent(root: Path) -> int:
        return sum(not is_there(root / path) for path in paths(root))

    nearest = min(tried, key=absent)
    wanted_paths = paths(nearest)
    lines = [f"{'found  ' if is_there(nearest / p) else 'MISSING'}  {p}" for p in wanted_paths]
    there = sorted(p.name for p in nearest.iterdir()) if is_folder(nearest) else []
    lines.append(f"In {nearest.resolve()} there is: {few(there, 12) or 'nothing'}")
    if recipe.home:
        lines.append(f"{recipe.name} is to be had from {recipe.home}")
    if recipe.downloads:
        shipped = Path(recipe.origin).parent == recipes.shipped("datasets")
        what = Path(recipe.origin).stem if shipped else recipe.origin
        lines.append(f"ssd-data download {what} fetches it")
    lines.append("Say where it lies with --root DIR or SSD_DATA_ROOT")
    return InputError(
        f"{recipe.name} is not here. Expected below {nearest.resolve()}:",
        hint=lines,
    )


def recognise(
    folder: Path | str,
    format: str = "",
    *,
    follow_links: bool = False,
    out: Path | None = None,
) -> Dataset:
    """A data set by its folder's layout, or by that of the one folder inside that has one.

    >>> recognise("sample").root  # the one folder inside that has a layout
    PosixPath('sample/voc')

    Args:
        format: read it as that, whatever else it may be.
        follow_links, out: as for :func:`find`.

    Raises:
        InputError: no layout fits, or two fit alike; the error shows which, and how to choose. A
            link leaves the folder.
    """
    return _dataset(find_layout(folder, format, follow_links, [out] if out else []))


def _dataset(found: FoundLayout) -> Dataset:
    layout = found.recognised
    training, test = linked(layout.splits)
    links = {link: split for link, split in ((TRAINING_LINK, training), (TEST_LINK, test)) if split}
    labelmap, said = class_list(found.tree, found.format, layout)
    return Dataset(
        name=layout.name or found.name,
        root=found.root,
        format=found.format,
        splits={s: DatasetSplit(tuple(v), is_training(s)) for s, v in layout.splits.items()},
        links=links,
        labelmap=labelmap,
        map=layout.map,
        why=layout.why,
        said=(*layout.said, *said),
    )


def from_list(
    file: Path | str, root: Path | str, labelmap: Path | str, *, follow_links: bool = False
) -> Dataset:
    """A list of ``image annotation`` lines, as ``create_annoset.py`` takes it.

    >>> line = "JPEGImages/test000001.jpg Annotations/test000001.xml"
    >>> _ = Path("faces.txt").write_text(line)
    >>> from_list("faces.txt", "sample/voc", "labelmap.prototxt").splits.keys()
    dict_keys(['faces'])

    Args:
        root: the folder that its paths start from. follow_links: as for :func:`find`.

    Raises:
        InputError: there is no such folder.
    """
    file, root = as_path(file), as_path(root)
    if not is_folder(root):
        raise InputError("no such folder", where=root)
    keep_inside(root, follow_links)
    stem = file.stem
    return Dataset(
        name=stem,
        root=root,
        format="annoset",
        splits={stem: DatasetSplit((ListSource(str(file)),))},
        links={f"{stem}_lmdb": stem},
        labelmap=as_path(labelmap),
        lmdb_pattern="{split}_lmdb",
    )
