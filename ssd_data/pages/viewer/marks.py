"""The marked records: a list of keys to fix, in a text file that the person has named.

One key a line, as the page shows it. Lines that name no record of this LMDB stay as they are.
"""

from __future__ import annotations

from pathlib import Path
from threading import Lock

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import read_lines
from ssd_data.core.files.there import is_there
from ssd_data.core.files.whole import write_whole
from ssd_data.data.lmdb.records import key_text


class Marks:
    """Which records are marked.

    Args:
        file: it holds the keys; made with the first mark.
        keys: of all records, as stored.

    Raises:
        InputError: the file cannot be read, or holds more than keys.
    """

    def __init__(self, file: Path, keys: list[bytes]) -> None:
        self.file, self.keys = file, keys
        self._lock = Lock()
        lines = self._read()
        numbers = {key_text(key): number for number, key in enumerate(keys)} if lines else {}
        self._numbers = {numbers[line] for line in lines if line in numbers}
        self.strangers = sum(line not in numbers for line in lines if line)

    def __contains__(self, number: int) -> bool:
        return number in self._numbers

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def numbers(self) -> list[int]:
        """The marked records' places, ascending."""
        with self._lock:
            return sorted(self._numbers)

    @property
    def text(self) -> str:
        """The keys of this LMDB's marked records, one a line, in its order."""
        return "".join(f"{key_text(self.keys[number])}\n" for number in self.numbers)

    def put(self, number: int, on: bool) -> None:
        """Mark a record, or take its mark away; the file says so before this returns.

        What another program has written into the file meanwhile stays.

        Raises:
            InputError: the file cannot be read again. OutputError: it cannot be written; then
                nothing has changed.
        """
        key = key_text(self.keys[number])
        with self._lock:
            lines = [line for line in self._read() if on or line != key]
            if on and key not in lines:
                lines.append(key)
            write_whole(self.file, "".join(f"{line}\n" for line in lines))
            if on:
                self._numbers.add(number)
            else:
                self._numbers.discard(number)

    def _read(self) -> list[str]:
        if not is_there(self.file):
            return []
        lines = read_lines(self.file, "list of marks")
        for number, line in enumerate(lines, 1):
            if not line.isprintable():  # an empty one is
                raise InputError(
                    "this is no key",
                    where=f"{self.file}:{number}",
                    hint="Name a list of keys with --marks, or a file that is not there yet",
                )
        return lines
