"""The records that someone marked as to be fixed: a text file with one key a line.

The file is all that is kept, and the only thing that the page changes. It is read anew before each
change, so that what an editor or another page wrote meanwhile stays, and written whole.
"""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import read_lines
from ssd_data.core.files.there import is_there
from ssd_data.core.files.whole import new_file
from ssd_data.metrics.scores import Ints


class Marks:
    """The marks of one LMDB.

    Args:
        path: the file; it need not be there yet.
        keys: the LMDB's, in its order.

    Attributes:
        numbers: the records that are marked, in the LMDB's order, int64 (N,).

    Raises:
        InputError: it cannot be read, or holds lines of which none is a key of the LMDB.
    """

    def __init__(self, path: Path, keys: list[bytes]) -> None:
        self.path, self._keys = path, keys
        self._places = {key: number for number, key in enumerate(keys)}
        self._lock = threading.Lock()
        lines = self._read()
        self.numbers = self._known(lines)
        if any(lines) and not len(self.numbers):
            raise InputError(
                "no line of it is a key of this LMDB, so that it may be another kind of file",
                where=path,
                hint="Name a new file",
            )

    def __contains__(self, number: int) -> bool:
        return number in self.numbers

    def set(self, number: int, on: bool) -> None:
        """Mark a record, or take its mark away; nothing is written where it is so already.

        Raises:
            InputError: its key is no line of text, or the file cannot be read any more.
            OutputError: the file cannot be written; it is as it was.
        """
        line = _line(self._keys[number])
        with self._lock:
            lines = self._read()
            if (line in lines) != on:
                lines = [*lines, line] if on else [other for other in lines if other != line]
                with new_file(self.path) as file:
                    file.write("".join(f"{other}\n" for other in lines).encode())
            self.numbers = self._known(lines)

    def text(self) -> str:
        """The marked keys in the LMDB's order, one a line."""
        return "".join(f"{self._keys[number].decode()}\n" for number in self.numbers.tolist())

    def _read(self) -> list[str]:
        return read_lines(self.path, "list of marks") if is_there(self.path) else []

    def _known(self, lines: list[str]) -> Ints:
        keys = {line.encode() for line in lines}
        return np.array(sorted(self._places[key] for key in keys & self._places.keys()), np.int64)


def _line(key: bytes) -> str:
    """A key as a line of the file.

    Raises:
        InputError: it is none: it would not come back as it is.
    """
    try:
        text = key.decode()
    except UnicodeDecodeError:
        text = ""
    if not text or text.startswith("\ufeff") or "\n" in text or "\r" in text:
        raise InputError("this key is no line of text, and cannot be listed", where=ascii(key))
    return text
