"""What was found so far: a file that is only ever appended to, one line of JSON a picture.

Line 1 says what the detections were made with; a run with anything else is refused. A picture's
line holds its boxes byte for byte and a checksum of them. A process that is killed leaves at most
part of a batch, and one line that is cut short: from the first unsound line on, and from the first
line of the last batch if that is not whole, the file is thrown away.
"""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np

from ssd_data.core.errors import OutputError
from ssd_data.core.files.paths import naming
from ssd_data.core.files.whole import failed, lock
from ssd_data.core.legible import legible
from ssd_data.core.structures import Detections

FORMAT = 1
MOST_HEADER, MOST_LINE = 1 << 20, 1 << 28  # bytes
MOST_SIDE = 1 << 31
SHOWN, MOST_SHOWN = 8, 80  # keys that an error shows, and letters of each


class _Line(msgspec.Struct, omit_defaults=True):
    name: str
    width: int
    height: int
    labels: bytes
    scores: bytes
    boxes: bytes
    crc: int
    more: bool = False  # of the same batch follow


_decode = msgspec.json.Decoder(_Line).decode


class Journal(Mapping[str, Detections]):
    """Detections by the pictures' names, on the disk; in memory are names and places only.

    Args:
        path: the file; made with its folder where it is not there.
        made_with: everything that a detection depends on; JSON.

    Attributes:
        sizes: name → (width, height) that the boxes are scored in.
        resumed: how many pictures were there already.
        broken: the number of the first line that is none, from which on all was thrown away; 0
            where there is none, or only the last was cut short.

    Raises:
        OutputError: the file belongs to another run, is in use, or cannot be written.
    """

    def __init__(self, path: Path, made_with: Mapping[str, Any]) -> None:
        self.path = path
        self.sizes: dict[str, tuple[int, int]] = {}
        self._places: dict[str, int] = {}
        self.broken = 0
        header = msgspec.json.encode({"format": FORMAT, **made_with}) + b"\n"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, 0o666)
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # a pipe, say
                os.close(descriptor)
                raise self._stranger()
            self._file: BinaryIO = os.fdopen(descriptor, "r+b")
        except OSError as error:
            raise failed(error, path) from None
        try:
            hint = "Wait for it, or choose another --out"
            lock(self._file, "another run is writing this", where=path, hint=hint)
            self._start(header)
        except OSError as error:
            self._close()
            raise failed(error, path) from None
        except BaseException:
            self._close()
            raise
        self.resumed = len(self)

    def _start(self, header: bytes) -> None:
        first = self._file.readline(MOST_HEADER)
        if first.endswith(b"\n"):
            self._refuse_other(first, header)
            self._read()
        else:  # new, or killed before its first line was whole
            if len(first) == MOST_HEADER or not header.startswith(first):
                raise self._stranger()
            self._file.seek(0)
            self._file.truncate()
            self._file.write(header)
            self._file.flush()

    def _refuse_other(self, first: bytes, header: bytes) -> None:
        now = msgspec.json.decode(header)
        try:
            then = msgspec.json.decode(first, type=dict[str, Any])
        except (msgspec.DecodeError, ValueError, RecursionError):
            raise self._stranger() from None
        if then.get("format") != FORMAT:
            raise self._stranger()
        if keys := [key for key in {**now, **then} if now.get(key) != then.get(key)]:
            what = "; ".join(
                f"{legible(key, MOST_SHOWN)} {_shown(then, key)} (now {_shown(now, key)})"
                for key in keys[:SHOWN]
            )
            raise OutputError(
                f"this folder holds detections that were made otherwise: {what}",
                where=self.path.parent,
                hint="Choose another --out, or remove this one",
            )

    def _stranger(self) -> OutputError:
        hint = "Choose another --out"
        return OutputError("this file is not of an evaluation", where=self.path, hint=hint)

    def _read(self) -> None:
        """Note where the sound lines are, and cut off what comes after them, and a batch that is
        not whole: a net's numbers depend a little on how many pictures it is given at a time."""
        place = end = self._file.tell()
        batch: dict[str, tuple[int, tuple[int, int]]] = {}
        lines = iter(lambda: self._file.readline(MOST_LINE), b"")
        for number, line in enumerate(lines, start=2):
            read = _sound(line)
            if read is None or read.name in self._places or read.name in batch:
                self.broken = number if line.endswith(b"\n") else 0
                break
            batch[read.name] = place, (read.width, read.height)
            place += len(line)
            if not read.more:
                self._places.update((name, begun) for name, (begun, _) in batch.items())
                self.sizes.update((name, size) for name, (_, size) in batch.items())
                batch.clear()
                end = place
        self._file.truncate(end)

    def add(
        self, name: str, size: tuple[int, int], found: Detections, *, more: bool = False
    ) -> None:
        """Append what was found in a picture; it is there after :meth:`flush`.

        Args:
            size: (width, height) that its boxes are scored in.
            more: others of the same batch follow; the next run takes it as a whole or not at all.

        Raises:
            OutputError: the disk is full.
        """
        parts = found.labels.tobytes(), found.scores.tobytes(), found.boxes.tobytes()
        line = _Line(name, *size, *parts, _checksum(name, size, parts), more)
        try:
            place = self._file.seek(0, os.SEEK_END)
            self._file.write(msgspec.json.encode(line) + b"\n")
        except OSError as error:
            raise failed(error, self.path) from None
        self._places[name] = place
        self.sizes[name] = size

    def flush(self) -> None:
        """Give all lines to the system: they are there even if this process is killed.

        Raises:
            OutputError: the disk is full.
        """
        try:
            self._file.flush()
        except OSError as error:
            raise failed(error, self.path) from None

    def __getitem__(self, name: str) -> Detections:
        with naming(self.path):
            self._file.seek(self._places[name])
            read = _sound(self._file.readline())
        if read is None:
            raise OutputError("the file was changed meanwhile", where=self.path)
        return Detections(
            np.frombuffer(read.labels, np.int32),
            np.frombuffer(read.scores, np.float32),
            np.frombuffer(read.boxes, np.float32).reshape(-1, 4),
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        """Lines that a full disk did not take are found again by the next run."""
        with suppress(OSError):
            self._file.close()


def _checksum(name: str, size: tuple[int, int], parts: tuple[bytes, bytes, bytes]) -> int:
    value = zlib.crc32(f"{name} {size[0]} {size[1]}".encode("utf-8", "surrogatepass"))
    for part in parts:
        value = zlib.crc32(part, value)
    return value


def _sound(line: bytes) -> _Line | None:
    """A picture's line; None where it is cut short or changed."""
    try:
        read = _decode(line)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    parts = read.labels, read.scores, read.boxes
    sums = line.endswith(b"\n") and read.crc == _checksum(
        read.name, (read.width, read.height), parts
    )
    count = len(read.labels) // 4
    fits = [len(p) for p in parts] == [4 * count, 4 * count, 16 * count]
    fits = fits and 0 < min(read.width, read.height) <= max(read.width, read.height) <= MOST_SIDE
    return read if sums and fits else None


def _shown(table: Mapping[str, Any], key: str) -> str:
    if key not in table:
        return "not stated"
    return legible(msgspec.json.encode(table[key]).decode(), MOST_SHOWN)
