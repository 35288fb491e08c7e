"""The names of classes that a Hugging Face data set states: ClassLabel's, in three places.

The schema of its Parquet files (``push_to_hub`` writes it there), ``dataset_infos.json``, which old
data sets have, or the head of its ``README.md``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from ssd_data.core.classes.background import is_background_first
from ssd_data.core.errors import InputError
from ssd_data.core.files.inside import read_bytes, read_text
from ssd_data.core.files.paths import below
from ssd_data.core.files.plain_yaml import PlainYaml, parse_yaml
from ssd_data.data.formats.huggingface.objects import Keys
from ssd_data.data.formats.huggingface.parquet import ParquetTable
from ssd_data.data.formats.huggingface.schema import PARQUET

INFOS, README = "dataset_infos.json", "README.md"
MAX_BYTES = 16 << 20
MOST_DEPTH = 20
_HEAD = re.compile(r"\ufeff?---[ \t]*\r?\n(.*?)\n---", re.S)


def class_names(root: Path, file: str, keys: Keys) -> list[str]:
    """The classes by their numbers; none where nothing states them.

    Raises:
        InputError: the file is a broken Parquet file.
    """
    if not keys.label:
        return []
    stated = ParquetTable(below(root, file), file).metadata if file.endswith(PARQUET) else None
    if stated and (names := names_in(stated, keys)):
        return names
    try:
        if names := names_in(read_bytes(root / INFOS, "file of infos", MAX_BYTES), keys):
            return names
    except InputError:
        pass  # not there
    try:
        return names_in_readme(read_text(root / README, "README", MAX_BYTES), keys)
    except InputError:
        return []


def names_in(text: bytes, keys: Keys) -> list[str]:
    """The classes of features as JSON has them; none where they state none.

    >>> text = b'{"info": {"features": {"category": {"names": ["cup"], "_type": "ClassLabel"}}}}'
    >>> names_in(text, Keys("", "bbox", "category"))
    ['cup']
    """
    try:
        table = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return []
    return next(_under(table, _path(keys), 0), [])


def names_in_readme(text: str, keys: Keys) -> list[str]:
    r"""The classes that the YAML at the head of a README states; none where it states none.

    >>> head = "dataset_info: {features: [{name: category, dtype: {class_label: {names: "
    >>> text = "---\n" + head + "{'1': plate, '0': cup}}}}]}\n---\n# Cups\n"
    >>> names_in_readme(text, Keys("", "bbox", "category"))
    ['cup', 'plate']
    """
    parts = _HEAD.match(text)
    return next(_named(parse_yaml(parts[1], README), _path(keys)), []) if parts else []


def _path(keys: Keys) -> list[str]:
    return [key for key in (keys.container, keys.label) if key]


def _named(tree: PlainYaml, path: list[str]) -> Iterator[list[str]]:
    """The names of each class_label below features of these names, in their order."""
    if isinstance(tree, list):
        for value in tree:
            yield from _named(value, path)
    elif isinstance(tree, dict):
        if path and tree.get("name") == path[0]:
            path = path[1:]
        label = tree.get("class_label")
        if not path and isinstance(label, dict):
            yield _in_order(label.get("names", []))
        for value in tree.values():
            yield from _named(value, path)


def _in_order(names: PlainYaml) -> list[str]:
    """Names as a list, or by their numbers; none where these have gaps."""
    if isinstance(names, dict):
        numbers = [str(number) for number in range(len(names))]
        names = [names[n] for n in numbers] if set(names) == set(numbers) else []
    found = [name for name in names if isinstance(name, str)]
    return found if isinstance(names, list) and len(found) == len(names) else []


def _under(tree: Any, path: list[str], depth: int) -> Iterator[list[str]]:
    """The names of each ClassLabel that lies below these keys, in their order."""
    if depth > MOST_DEPTH:
        return
    if not path and isinstance(tree, Mapping) and tree.get("_type") == "ClassLabel":
        names = tree.get("names")
        if isinstance(names, list) and all(isinstance(name, str) for name in names):
            yield names
        return
    inner = tree.items() if isinstance(tree, Mapping) else ()
    for key, value in inner:
        yield from _under(value, path[1:] if path[:1] == [key] else path, depth + 1)
    if isinstance(tree, list):
        for value in tree:
            yield from _under(value, path, depth + 1)


def classes_of(names: list[str]) -> list[tuple[str, str]]:
    """The classes of a labelmap: those names, without a background, which is no object."""
    kept = names[1:] if names and is_background_first(names[0]) else names
    return [(name, name) for name in kept]
