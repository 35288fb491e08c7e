"""Data sets whose files say what they hold: Ultralytics' ``data.yaml``, Darknet's ``.data``.

Nothing that a file tells to download or to run is done.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path

from ssd_data.core.errors import InputError
from ssd_data.core.files.inside import read_lines
from ssd_data.core.files.paths import listable
from ssd_data.core.files.plain_yaml import PlainYaml, read_yaml
from ssd_data.core.files.remote.address import remote
from ssd_data.core.files.there import is_folder
from ssd_data.data.formats.splits import TRAINING, role
from ssd_data.data.formats.tree import Tree
from ssd_data.data.formats.yolo.names import YAML, files_of_names, from_yaml
from ssd_data.data.formats.yolo.pairs import LIST
from ssd_data.data.formats.yolo.places import YoloPlace, is_elsewhere, is_here, resolve
from ssd_data.data.formats.yolo.schema import DATA, NO_SPLITS, YoloSource

PREFERRED = (DATA, "data.yml", "dataset.yaml", "dataset.yml")
MOST_YAML = 20


@dataclass(slots=True)
class YoloIndex:
    """What a file says of a data set.

    Attributes:
        file: which, below the root.
        splits: the sources of each that is here.
        said: what was guessed, and which splits are not here, a sentence each.
        names: the file that names the classes.
        base: the folder that it says its paths start from, empty where it says none.
    """

    file: str
    names: str = ""
    splits: dict[str, list[YoloSource]] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    base: str = ""


def from_data_yaml(tree: Tree, only: str = "") -> YoloIndex | None:
    """What the ``data.yaml`` of a folder says, whatever it is called; None where there is none.

    Args:
        only: the file that is meant, where one is.

    Raises:
        InputError: it is broken, or several say which splits there are.
    """
    root, found = tree.root, _yaml_tables(tree, only)
    fitting = {n: t for n, t in found.items() if isinstance(t, dict) and _is_data(root, t)}
    first = next((name for name in PREFERRED if name in fitting), None)
    if first is None and len(fitting) > 1:
        raise InputError(
            f"{' and '.join(map(listable, fitting))} each say which splits there are",
            where=root,
            hint=f"Call the one that counts {DATA}, or remove the others",
        )
    for name in [first] if first else fitting:
        result = YoloIndex(name, names=name)
        result.said += [f"{other} is not read beside {name}" for other in fitting if other != name]
        from_yaml(fitting[name], name)
        _splits(root, fitting[name], result)
        return result
    return None


def yaml_with_names(tree: Tree, only: str = "") -> str:
    """A YAML file of a folder that names classes but no splits; empty where there is none."""
    for name, table in _yaml_tables(tree, only).items():
        if isinstance(table, dict) and table.get("names") and not _is_data(tree.root, table):
            return name
    return ""


def _yaml_tables(tree: Tree, only: str) -> dict[str, PlainYaml]:
    names = [name for name in tree.names() if f".{name.rpartition('.')[2].lower()}" in YAML]
    names = [name for name in names if only in ("", name)]
    names.sort(key=lambda name: name not in PREFERRED)
    tables: dict[str, PlainYaml] = {}
    for name in names[:MOST_YAML]:
        try:
            tables[name] = read_yaml(tree.path(name), "YAML file", name)
        except InputError:
            if name in PREFERRED or name == only:
                raise
    return tables


def _is_data(root: Path, table: Mapping[str, PlainYaml]) -> bool:
    if not (table.get("names") or table.get("nc")):
        return False
    rest = [(key, stated) for key in table.keys() - NO_SPLITS for stated in _entries(table[key])]
    return any(role(key) or _is_split(root, resolve(root, stated)) for key, stated in rest)


def from_data_file(tree: Tree, only: str = "") -> YoloIndex | None:
    """What Darknet's ``.data`` of a folder says; None where there is none.

    Args:
        only: the file that is meant, where one is.

    Raises:
        InputError: several say which splits there are.
    """
    root, found = tree.root, data_files(tree)
    fitting = {name: table for name, table in found.items() if only in ("", name)}
    if len(fitting) > 1:
        raise InputError(
            f"{' and '.join(map(listable, fitting))} each say which splits there are",
            where=root,
            hint="Keep the one that counts",
        )
    for name, table in fitting.items():
        result = YoloIndex(name)
        stated = table.get("names") or table.get("labels") or ""
        named = resolve(root, stated) if stated else None
        others = files_of_names(tree, [""])
        result.names = named.path if named else next(iter(others), "")
        if stated and not named:
            instead = f"{result.names} is taken" if result.names else "classes are numbers"
            result.said.append(f"{name}: names: {listable(stated)} is not here: {instead}")
        _splits(root, table, result)
        return result
    return None


def data_files(tree: Tree) -> dict[str, dict[str, str]]:
    """Darknet's ``.data`` files of a folder: what each assigns."""
    fitting = {}
    for name in [name for name in tree.names() if name.endswith(".data")][:MOST_YAML]:
        table = _assignments(tree.path(name))
        if "train" in table and ("names" in table or "labels" in table or "classes" in table):
            fitting[name] = table
    return fitting


def _assignments(path: Path) -> dict[str, str]:
    """The ``key = value`` lines of a file; empty where it has others, or cannot be read."""
    try:
        lines = [line.strip() for line in read_lines(path, "data file")]
    except InputError:
        return {}
    rows = [line.partition("=") for line in lines if line and line[0] not in "#;"]
    if not all(between and key.strip() for key, between, _ in rows):
        return {}
    return {key.strip(): value.strip() for key, _, value in rows}


def _entries(value: PlainYaml) -> list[str]:
    """The paths of a split: a text, or a list of them; none where it is left empty."""
    stated = value if isinstance(value, list) else [value]
    return [
        one for one in stated if isinstance(one, str) and one not in ("", "~", "null", "None", "[]")
    ]


def _splits(root: Path, table: Mapping[str, PlainYaml], result: YoloIndex) -> None:
    """Put the splits of a table into ``result``, with what is to be said of them."""
    base = table.get("path", "")
    result.base = base = base if isinstance(base, str) else ""
    if is_elsewhere(root, base):
        text = f'{result.file}: path: {listable(base)} is not here: paths start from "{root.name}"'
        result.said.append(text)
    for key, value in table.items():
        if key in NO_SPLITS or not key.isprintable() or "/" in key:
            continue
        sources = list(_sources(root, key, value, base, result))
        if sources:
            result.splits[key] = sources
    result.said += _overlaps(result.splits)


def _sources(
    root: Path, key: str, value: PlainYaml, base: str, result: YoloIndex
) -> Iterator[YoloSource]:
    for stated in _entries(value):
        place = resolve(root, stated, base)
        if not role(key) and not _is_split(root, place):
            continue  # some other key
        text = f"{result.file}: {key}: {listable(stated)}"
        if place is None:
            result.said.append(f"{text} is not here")
            if role(key) in TRAINING:  # without it a build would be of the others, and seem done
                yield YoloSource(images=stated, names=result.names)
            continue
        if not place.exact:
            result.said.append(f"{text} is taken as {place.path}")
            if stated.startswith("../") and _is_beside(root, stated[3:]):
                result.said.append(f"{text} is there too, outside this folder: it is not used")
        yield YoloSource(images=place.path, names=result.names)


def _is_beside(root: Path, path: str) -> bool:
    """Whether something lies beside the root; of a store only what was named is asked for."""
    return remote(root) is None and is_here(root.resolve().parent, path)


def require_inside(root: Path, stated: YoloIndex) -> None:
    """Refuse an index of pictures that lie in a folder elsewhere, which ``path:`` names.

    Raises:
        InputError: there is such a folder, and nothing that it names is below the root.
    """
    sources = [source.images for several in stated.splits.values() for source in several]
    if (
        remote(root)
        or not stated.base
        or not sources
        or any(is_here(root, path) for path in sources)
    ):
        return
    other = os.path.normpath(root / stated.base)
    if is_folder(other):
        raise InputError(
            f"path: {listable(stated.base)} is another folder: only what lies below the index's "
            "own is read",
            where=stated.file,
            hint=f"Copy it into {listable(other)} and name it there",
        )


def _is_split(root: Path, place: YoloPlace | None) -> bool:
    """Whether what a key names can be pictures, though the key does not say so."""
    if place is None or not place.exact:
        return False
    return is_folder(root / place.path) or place.path.lower().endswith(LIST)


def _overlaps(splits: Mapping[str, Sequence[YoloSource]]) -> list[str]:
    """Splits that have the same folder or list, or one that holds another's."""
    said = []
    for (a, first), (b, second) in permutations(splits.items(), 2):
        for x in (source.images for source in first):
            for y in (source.images for source in second):
                if x == y and a < b:
                    said.append(f"{a} and {b} are the same pictures, {x}")
                elif x != y and (x == "." or y.startswith(f"{x}/")):
                    said.append(f"{a} ({x}) holds the pictures of {b} ({y}) as well")
    return said
