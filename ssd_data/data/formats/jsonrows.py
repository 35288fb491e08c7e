"""The lines of a file that has one JSON value a line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ssd_data.core.errors import InputError
from ssd_data.core.files.inside import open_regular

MAX_BYTES = 64 << 30
_MARK = b"\xef\xbb\xbf"


def lines_of(path: Path, name: str, what: str, most: int) -> Iterator[tuple[int, bytes]]:
    """The lines that hold anything, with their numbers.

    Args:
        name, what: name the file in errors. most: bytes of a line.

    Raises:
        InputError: the file is absent, or a line is longer.
    """
    with open_regular(path, what, MAX_BYTES, name) as file:
        for number, line in enumerate(iter(lambda: file.readline(most + 1), b""), 1):
            if len(line) > most:
                raise InputError(f"a line of more than {most:,} bytes", where=f"{name}:{number}")
            if text := line.strip().removeprefix(_MARK):
                yield number, text
