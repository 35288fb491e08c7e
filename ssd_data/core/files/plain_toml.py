"""TOML files of strangers."""

from __future__ import annotations

import re
import sys
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


def _require_shallow(text: str, path: Path) -> None:
    """Refuse keys of very many parts: the parser takes memory by their square."""
    cost = 0
    for number, line in enumerate(text.split("\n"), 1):
        cost += line.count(".") ** 2
        if cost > MOST_PARTS:
            text = f"a key or list of {line.count('.'):,} parts, or many such"
            raise InputError(text, where=f"{path}:{number}", hint="Part long lists into lines")
