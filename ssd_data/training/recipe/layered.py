"""A recipe file and the one that it begins with: ``base = "small-data"``, or a path from its own
folder. What it says counts; ``without = ["average", "augmentation.paste"]`` takes parts of the base
away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from ssd_data.core.errors import InputError
from ssd_data.core.files.plain_toml import read_toml
from ssd_data.training.recipe.named import ORIGINAL, file_of, names, no_such

Table: TypeAlias = dict[str, Any]
Place: TypeAlias = Callable[[str], str]

BASE, WITHOUT = "base", "without"
MOST_BYTES = 1 << 16
MOST_BASES = 8


def read_layers(
    path: Path, line_of: Callable[[str, str], str], above: Sequence[Path] = ()
) -> tuple[Table, Place]:
    """A recipe's tables with those of its base below them, and which file says a key
    (``schedule.kind``), with its line.

    Args:
        line_of: finds a key in a text: ``:N``. above: the files that begin with this one.

    Raises:
        InputError: a file cannot be read, is no TOML or its own base.
    """
    text, table = read_toml(path, "recipe", MOST_BYTES)

    def own(keys: str) -> str:
        return f"{path}{line_of(text, keys)}"

    base, without = table.pop(BASE, None), table.pop(WITHOUT, [])
    if base is None and not without:
        return table, own
    where = f"{own(BASE)}: {BASE}"
    if not isinstance(base, str):
        what = "should be a str" if base is not None else "the key is missing"
        raise InputError(what, where=where, hint=f"without = […] takes parts of {BASE} away")
    below, under = _below(base, where, line_of, (*above, path))
    for name in _names(without, f"{own(WITHOUT)}: {WITHOUT}"):
        if not _take_away(below, name.split(".")):
            raise InputError(f"{base} has no {name}", where=f"{own(WITHOUT)}: {WITHOUT}")
    merged = _merged(below, table)

    def place(keys: str) -> str:
        wanted = [part.partition("[")[0] for part in keys.split(".")]
        return own(keys) if _has(table, wanted) or not _has(below, wanted) else under(keys)

    return merged, place


def _below(
    base: str, where: str, line_of: Callable[[str, str], str], above: Sequence[Path]
) -> tuple[Table, Place]:
    if base == ORIGINAL:
        return {}, lambda keys: ORIGINAL
    if base.endswith(".toml"):
        path = above[-1].parent / base
    elif base in names():
        path = file_of(base)
    else:
        what, hint = no_such(base)
        raise InputError(what, where=where, hint=hint)
    if path.resolve() in {one.resolve() for one in above} or len(above) > MOST_BASES:
        raise InputError(f"{base} begins with this recipe itself", where=where)
    return read_layers(path, line_of, above)


def _names(value: object, where: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise InputError('should be a list such as ["average", "augmentation.paste"]', where=where)
    return value


def _take_away(table: Table, keys: Sequence[str]) -> bool:
    """Whether there was something to take away."""
    *path, last = keys
    for key in path:
        inner = table.get(key)
        if not isinstance(inner, dict):
            return False
        table = inner
    return table.pop(last, None) is not None


def _merged(below: Table, own: Table) -> Table:
    """Both; tables in tables are merged, too. An element of another kind takes nothing over."""
    found = dict(below)
    for name, value in own.items():
        before: Any = found.get(name)
        both = isinstance(value, dict) and isinstance(before, dict)
        alike = both and value.get("kind", before.get("kind")) == before.get("kind")
        found[name] = _merged(before, value) if alike else value
    return found


def _has(table: object, keys: Sequence[str]) -> bool:
    for key in keys:
        if not isinstance(table, dict) or key not in table:
            return False
        table = table[key]
    return True
