"""A CSV file's rows, whatever wrote it: Excel, pandas, a script.

UTF-8 with or without a byte order mark, or UTF-16 with one (Excel's "Unicode text"); any line ends;
commas, semicolons, tabs or bars between cells, which may be quoted as RFC 4180 says.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from ssd_data.core.errors import InputError
from ssd_data.core.files.inside import open_regular

MAX_BYTES = 64 << 30
MAX_LINE = 1 << 20
DELIMITERS = (",", ";", "\t", "|")
_BLANK = frozenset({"", "nan", "none", "null", "na", "n/a", "<na>", "-"})
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_UTF_32 = (b"\xff\xfe\0\0", b"\0\0\xfe\xff")
_SAVE = "Save it as UTF-8"


class Rows:
    """The rows of CSV lines that hold anything."""

    def __init__(self, lines: Iterable[str], delimiter: str) -> None:
        self._reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)

    @property
    def line(self) -> int:
        """The line in which the last row ended."""
        return self._reader.line_num

    def __iter__(self) -> Iterator[list[str]]:
        for row in self._reader:
            if row and any(map(str.strip, row)):
                yield row


@contextmanager
def rows_of(path: Path, name: str, delimiter: str) -> Iterator[Rows]:
    """The rows of a file that is open for as long as it lasts.

    Args:
        name: names the file in errors.

    Raises:
        InputError: it is absent, no text, no CSV, or has a line of more than :data:`MAX_LINE`
            characters.
    """
    with open_regular(path, "CSV", MAX_BYTES, name) as file:
        lines = _Lines(file, name)
        rows = Rows(lines, delimiter)
        try:
            yield rows
        except csv.Error as error:
            raise InputError(f"not CSV: {error}", where=f"{name}:{rows.line}") from None
        except UnicodeError as error:
            raise _undecodable(path, name, lines.encoding, error) from None


def head_of(path: Path, name: str, most: int) -> tuple[list[str], str]:
    """The first lines of a file, up to ``most`` characters, and the delimiter that it states in a
    first line ``sep=;``, empty where it states none.

    Raises:
        InputError: as :func:`rows_of`.
    """
    found: list[str] = []
    with open_regular(path, "CSV", MAX_BYTES, name) as file:
        lines = _Lines(file, name)
        try:
            for line in lines:
                found.append(line)
                most -= len(line)
                if most <= 0:
                    break
        except UnicodeError as error:
            raise _undecodable(path, name, lines.encoding, error) from None
    return found, lines.stated


def parsed(lines: Iterable[str], delimiter: str) -> list[list[str]]:
    """The rows of some lines, as far as they are CSV."""
    rows: list[list[str]] = []
    with suppress(csv.Error):
        rows.extend(Rows(lines, delimiter))
    return rows


def is_blank(cell: str) -> bool:
    """Whether a cell holds nothing, as people and pandas write that.

    >>> is_blank(" NaN"), is_blank("0")
    (True, False)
    """
    return cell.strip().lower() in _BLANK


class _Lines:
    """The lines of a file, with their ends.

    Attributes:
        encoding: of the file.
        stated: the delimiter that its first line ``sep=;`` states; an empty line stands for it.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        start = file.read(4)
        file.seek(0)
        if start in _UTF_32:
            raise InputError("the CSV is UTF-32", where=name, hint=_SAVE)
        self.name, self.stated = name, ""
        self.encoding = next((e for mark, e in _MARKS if start.startswith(mark)), "utf-8")
        self._text = io.TextIOWrapper(file, self.encoding, newline="")

    def __iter__(self) -> Iterator[str]:
        number = 0
        while line := self._text.readline(MAX_LINE + 1):
            number += 1
            if len(line) > MAX_LINE:
                text = f"a line of more than {MAX_LINE:,} characters"
                raise InputError(text, where=f"{self.name}:{number}")
            if "\0" in line:
                hint = f"{_SAVE}; it may be UTF-16 without a byte order mark"
                text = "a NUL byte: the CSV is no text"
                raise InputError(text, where=f"{self.name}:{number}", hint=hint)
            if number == 1 and line[:4].lower() == "sep=" and len(line.rstrip("\r\n")) == 5:
                self.stated, line = line[4], "\n"
            yield line


def _undecodable(path: Path, name: str, encoding: str, error: UnicodeError) -> InputError:
    """That the file is no text, with the line, which the decoder reads far ahead of."""
    reason, where = getattr(error, "reason", str(error)), name
    if encoding != "utf-16":
        with open_regular(path, "CSV", MAX_BYTES, name) as file:
            for number, line in enumerate(iter(lambda: file.readline(MAX_LINE), b""), 1):
                try:
                    line.decode()
                except UnicodeDecodeError as found:
                    where, reason = f"{name}:{number}", found.reason
                    break
    kind = "UTF-16" if encoding == "utf-16" else "UTF-8"
    return InputError(f"not {kind} text ({reason})", where=where, hint=_SAVE)
