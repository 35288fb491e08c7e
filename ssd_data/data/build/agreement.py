"""Does a labelmap fit: another labelmap, an LMDB's labels, a data set's class names?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ssd_data.core.errors import InputError
from ssd_data.core.files.remote.address import as_path
from ssd_data.core.files.there import is_file, is_folder
from ssd_data.core.labelmap import LabelMap, read_labelmap
from ssd_data.data import formats, recipes
from ssd_data.data.build.options import BuildOptions, require_raw
from ssd_data.data.build.scan import scan, unknown_classes
from ssd_data.data.classes import require_matched
from ssd_data.data.dataset import Dataset
from ssd_data.data.find import find
from ssd_data.data.lmdb.companions import labelmap_file
from ssd_data.data.lmdb.manifest import LABELMAP, MANIFEST
from ssd_data.data.lmdb.one_build import one_build
from ssd_data.data.lmdb.store import LmdbReader, is_lmdb
from ssd_data.data.lmdb.strangers import refuse_stranger
from ssd_data.data.lmdb.table import read_table


def labelmap_of(
    source: str,
    root: Path | None = None,
    *,
    format: str = "",
    follow_links: bool = False,
    reading: Mapping[str, Any] | None = None,
) -> LabelMap:
    """The labelmap that belongs to a labelmap file, an LMDB or build folder, a recipe or a folder.

    A recipe's own labelmap needs no data on disk; without one, the data's classes are read.

    Args:
        root: where a recipe's files lie. format, follow_links: as for :func:`ssd_data.find`.
        reading: those of :data:`ssd_data.data.build.options.READING` that a build would be given.

    Raises:
        UsageError: ``source`` is none of these.
        InputError: the labelmap or the data set is broken or absent.
    """
    path = as_path(source)
    given = {**({"format": format} if format else {}), **(reading or {})}
    if _is_labelmap(path):
        require_raw(given, source)
        return read_labelmap(path)
    if is_file(path / MANIFEST):
        require_raw(given, source)
        return read_labelmap(path / LABELMAP)
    if is_lmdb(path) and source not in recipes.names():
        require_raw(given, source)
        refuse_stranger(path)
        if beside := labelmap_file(path):
            return read_labelmap(beside)
        hint = "What its labels mean is written nowhere; ssd-data inspect counts them"
        raise InputError("no labelmap lies in this LMDB or beside it", where=path, hint=hint)
    if not is_folder(path) or source in recipes.names():
        recipe = recipes.load(source)
        if recipe.labelmap is not None and not given:
            return read_labelmap(recipe.labelmap)
    dataset = find(source, root, format=format, follow_links=follow_links)
    renamed = dataset.with_map(wanted := BuildOptions.reading(reading or {}).map)
    require_matched(wanted, renamed.words)
    return renamed.classes()


def disagreements(
    labelmap: LabelMap,
    source: str,
    root: Path | None = None,
    *,
    format: str = "",
    follow_links: bool = False,
    reading: Mapping[str, Any] | None = None,
) -> list[str]:
    """Every way in which a labelmap does not fit ``source``, each a sentence.

    Args:
        labelmap: the one in question.
        source: a labelmap file, an LMDB, or what ``ssd-data build`` takes.
        root, format, follow_links, reading: as for :func:`labelmap_of`.

    Raises:
        UsageError: ``source`` is none of these.
        InputError: it is broken or absent.
    """
    path = as_path(source)
    found = [f"{labelmap.origin}: {fault}" for fault in labelmap.faults()]
    if _is_labelmap(path) or is_lmdb(path):
        require_raw({**({"format": format} if format else {}), **(reading or {})}, source)
    if _is_labelmap(path):
        return found + labelmap.differences(read_labelmap(path))
    if is_lmdb(path):
        return found + _against_lmdb(labelmap, path)
    dataset = find(source, root, format=format, follow_links=follow_links)
    return found + _against_dataset(labelmap, dataset, BuildOptions.reading(reading or {}))


def _is_labelmap(path: Path) -> bool:
    """Whether it is a file, and no recipe.

    Raises:
        InputError: it is a database, or a part of one.
    """
    if not is_file(path) or path.suffix == ".toml":
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


def _against_dataset(labelmap: LabelMap, dataset: Dataset, options: BuildOptions) -> list[str]:
    differences, found = [], dataset.with_map(options.map)
    if found.labelmap is not None or formats.load(found.format).classes is not None:
        differences = labelmap.differences(found.classes())
    options = replace(options, map=found.map)
    scans = {split: scan(found, split, labelmap, options) for split in found.default_splits()}
    if all(not result.images for result in scans.values()):
        raise InputError("no annotation can be read", where=found.root)
    return differences + [
        f"not in {labelmap.origin}: {u}" for u in unknown_classes(scans, labelmap)
    ]
