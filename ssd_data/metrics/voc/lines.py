"""The lines of one class's file of detections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import numpy as np

from ssd_data.core.errors import InputError
from ssd_data.metrics.files import line_of_numbers, read_blocks
from ssd_data.metrics.lines import CORNERS, SCORE
from ssd_data.metrics.scores import Floats, Ints

MAX_BYTES = 1 << 33
COLUMNS = ("image", SCORE, *CORNERS)
_OTHERS = bytes(set(range(256)) - set(b" \n"))
_decode = msgspec.json.Decoder(list[float]).decode


def read_class(path: Path, index: Mapping[bytes, int]) -> Iterator[tuple[Ints, Floats]]:
    """Some lines at a time: the pictures' indices (N,) and rows of score, xmin, ymin, xmax, ymax,
    float64 (N, 5)."""
    for before, data in read_blocks(path, "file of detections", MAX_BYTES):
        yield _read_lines(data, path, index, before)


def _read_lines(
    data: bytes, path: Path, index: Mapping[bytes, int], before: int
) -> tuple[Ints, Floats]:
    if b"\r" in data or b"\t" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\t", b" ")
    tidy = data.rstrip()
    for twice, once in ((b"  ", b" "), (b" \n", b"\n")):
        while twice in tidy:
            tidy = tidy.replace(twice, once)
    words = tidy.split()
    count = len(words) // 6
    # Fast where each line is six words and all numbers are plain.
    if 6 * count == len(words) and tidy.translate(None, _OTHERS) == (b"     \n" * count)[:-1]:
        names = words[::6]
        del words[::6]
        try:
            values = np.array(_decode(b"[" + b",".join(words) + b"]")).reshape(-1, 5)
            which = np.fromiter(map(index.__getitem__, names), np.int64, len(names))
            if not count or np.abs(values).max() < 1e9:
                return which, values
        except (msgspec.DecodeError, KeyError, ValueError):
            pass
    return _read_slowly(data, path, index, before)


def _read_slowly(
    data: bytes, path: Path, index: Mapping[bytes, int], before: int
) -> tuple[Ints, Floats]:
    """Line by line, which finds the fault; ``before`` lines stand before these."""
    which, rows = [], []
    for number, line in enumerate(data.split(b"\n"), before + 1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        name, *rest = line.split(maxsplit=1)
        if name not in index and (spaced := line.rsplit(maxsplit=5))[0].strip() in index:
            name, rest = spaced[0].strip(), [b" ".join(spaced[1:])]
        if name not in index:
            raise _unknown(line.split(), index, where)
        text = rest[0].decode(errors="replace") if rest else ""
        which.append(index[name])
        rows.append(line_of_numbers(text, COLUMNS, where))
    return np.array(which, np.int64), np.array(rows, np.float64).reshape(-1, 5)


def _unknown(words: list[bytes], index: Mapping[bytes, int], where: str) -> InputError:
    """That the truth does not know a line's first word, and what may be meant."""
    name = words[0].decode(errors="replace")
    stem = Path(name).stem
    column = next((i for i, word in enumerate(words) if word in index), 0)
    hint = f"A line is: {' '.join(COLUMNS)}; is this another image set's?"
    if stem.encode() in index:
        hint = f"Pictures stand there without folder and ending: {stem}"
    elif column:
        hint = f"The picture seems to stand in column {column + 1}. A line is: {' '.join(COLUMNS)}"
    return InputError(f'the truth has no picture "{name}"', where=where, hint=hint)
