"""Does a labelmap fit: another labelmap, an LMDB's labels, a data set's class names?"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from ssd_data.core.errors import InputError
from ssd_data.core.labelmap import LabelMap, read_labelmap
from ssd_data.data import formats, recipes
from ssd_data.data.build.options import BuildOptions
from ssd_data.data.build.scan import scan, unknown_classes
from ssd_data.data.dataset import Dataset
from ssd_data.data.find import find
from ssd_data.data.lmdb.companions import labelmap_file
from ssd_data.data.lmdb.manifest import LABELMAP, MANIFEST
from ssd_data.data.lmdb.one_build import one_build
from ssd_data.data.lmdb.store import LmdbReader, is_lmdb
from ssd_data.data.lmdb.strangers import refuse_stranger
from ssd_data.data.lmdb.table import read_table


def labelmap_of(source: str, root: Path | None = None, *, follow_links: bool = False) -> LabelMap:
    """The labelmap that belongs to a labelmap file, an LMDB or build folder, a recipe or a folder.

    A recipe's own labelmap needs no data on disk; without one, the data's classes are read, with
    ``follow_links`` as :func:`ssd_data.find` has it.

    Raises:
        UsageError: ``source`` is none of these.
        InputError: the labelmap or the data set is broken or absent.
    """
    path = Path(source)
    if _is_labelmap(path):
        return read_labelmap(path)
    if (path / MANIFEST).is_file():
        return read_labelmap(path / LABELMAP)
    if is_lmdb(path) and source not in recipes.names():
        refuse_stranger(path)
        if beside := labelmap_file(path):
            return read_labelmap(beside)
        hint = "What its labels mean is written nowhere; ssd-data inspect counts them"
        raise InputError("no labelmap lies in this LMDB or beside it", where=path, hint=hint)
    if not path.is_dir() or source in recipes.names():
        recipe = recipes.load(source)
        if recipe.labelmap is not None:
            return read_labelmap(recipe.labelmap)
    return find(source, root, follow_links=follow_links).classes()


def disagreements(
    labelmap: LabelMap, source: str, root: Path | None = None, *, follow_links: bool = False
) -> list[str]:
    """Every way in which a labelmap does not fit ``source``, each a sentence.

    Args:
        labelmap: the one in question.
        source: a labelmap file, an LMDB, or what ``ssd-data build`` takes.
        root: where a recipe's files lie. follow_links: as for :func:`ssd_data.find`.

    Raises:
        UsageError: ``source`` is none of these.
        InputError: it is broken or absent.
    """
    path = Path(source)
    found = [f"{labelmap.origin}: {fault}" for fault in labelmap.faults()]
    if _is_labelmap(path):
        return found + labelmap.differences(read_labelmap(path))
    if is_lmdb(path):
        return found + _against_lmdb(labelmap, path)
    return found + _against_dataset(labelmap, find(source, root, follow_links=follow_links))


def _is_labelmap(path: Path) -> bool:
    """Whether it is a file, and no recipe.

    Raises:
        InputError: it is a database, or a part of one.
    """
    if not path.is_file() or path.suffix == ".toml":
        return False
    refuse_stranger(path)
    return True


def _against_lmdb(labelmap: LabelMap, path: Path) -> list[str]:
    found = []
    with one_build(path):
        if beside := labelmap_file(path):
            found += labelmap.differences(read_labelmap(beside))
        with LmdbReader(path) as reader:
            used = Counter(read_table(reader).labels.tolist())
    known = {item.label for item in labelmap} - {0}
    found += [
        f"label {label}, used by {used[label]} boxes of {path}, is not in {labelmap.origin}"
        for label in sorted(set(used) - known)
    ]
    return found


def _against_dataset(labelmap: LabelMap, found: Dataset) -> list[str]:
    differences = []
    if found.labelmap is not None or formats.load(found.format).classes is not None:
        differences = labelmap.differences(found.classes())
    options = BuildOptions(map=found.map)
    scans = {split: scan(found, split, labelmap, options) for split in found.default_splits()}
    if all(not result.images for result in scans.values()):
        raise InputError("no annotation can be read", where=found.root)
    return differences + [
        f"not in {labelmap.origin}: {u}" for u in unknown_classes(scans, labelmap)
    ]
