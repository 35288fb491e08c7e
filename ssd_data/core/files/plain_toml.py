"""TOML files: strangers' are read, small ones are written."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import read_text

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MOST_PARTS = 1 << 22  # the sum of the squares of each line's


def read_toml(path: Path, what: str, most: int) -> tuple[str, dict[str, Any]]:
    """A file's text, and the table that it is.

    Args:
        what: the file is, for errors. most: bytes that it may have.

    Raises:
        InputError: it cannot be read, or is no TOML.
    """
    text = read_text(path, what, most)
    _require_shallow(text, path)
    try:
        return text, tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        line = re.search(r"\(at line (\d+)", str(error))
        where = f"{path}:{line[1]}" if line else path
        raise InputError(f"not TOML: {error}", where=where) from None


def to_toml(table: Mapping[str, Any]) -> str:
    """Tables of texts, numbers, lists of them and further tables; what is None is left out.

    >>> print(to_toml({"boxes": {"kind": "giou", "weight": 2}}), end="")
    [boxes]
    kind = "giou"
    weight = 2
    """
    return "\n".join(_tables(table, [])).lstrip("\n") + "\n"


def _tables(table: Mapping[str, Any], path: list[str]) -> Iterator[str]:
    inner = {key: value for key, value in table.items() if isinstance(value, Mapping)}
    own = {k: value for k, value in table.items() if k not in inner and value is not None}
    if path and (own or not inner):
        yield f"\n[{'.'.join(path)}]" if len(path) == 1 else f"[{'.'.join(path)}]"
    for key, value in own.items():
        yield f"{_key(key)} = {json.dumps(value, ensure_ascii=False)}"
    for key, value in inner.items():
        yield from _tables(value, [*path, _key(key)])


def _key(text: str) -> str:
    plain = re.fullmatch(r"[A-Za-z0-9_-]+", text)
    return text if plain else json.dumps(text, ensure_ascii=False)


def _require_shallow(text: str, path: Path) -> None:
    """Refuse keys of very many parts: the parser takes memory by their square."""
    cost = 0
    for number, line in enumerate(text.split("\n"), 1):
        cost += line.count(".") ** 2
        if cost > MOST_PARTS:
            text = f"a key or list of {line.count('.'):,} parts, or many such"
            raise InputError(text, where=f"{path}:{number}", hint="Part long lists into lines")
