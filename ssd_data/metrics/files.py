"""What the readers of detections share.

Numbers are read as a format's official tool reads them. What that tool would trip over is one error
with file and line; what it would pass over is counted in the notes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from ssd_data.core.errors import InputError
from ssd_data.core.files.inside import names_in, open_regular, read_bytes
from ssd_data.core.files.there import is_file, is_folder
from ssd_data.core.legible import few
from ssd_data.core.structures import Flags
from ssd_data.metrics.hits import inverted
from ssd_data.metrics.lines import SCORE
from ssd_data.metrics.many import MANY, PART, parts
from ssd_data.metrics.scores import Floats, Found, Ints, Truth

FAR = 1e9
BLOCK = 1 << 24
MANY_OF_A_CLASS = 20  # detections, of which some scores should differ
WEIGHTS = tuple(np.sqrt([2, 3, 5, 7, 11, 13, 17]).tolist())
ODD = (
    "inverted box: it is scored as the official tool does, finding nothing",
    "box wholly outside its picture",
    "box that reaches beyond its picture by more than its size",
)
BOM = b"\xef\xbb\xbf"
NO_TEXT = {
    b"\x1f\x8b": ("packed with gzip", "Unpack it first"),
    b"PK\x03\x04": ("a zip file", "Unpack it first"),
    b"\xfd7zXZ": ("packed with xz", "Unpack it first"),
    b"\x28\xb5\x2f\xfd": ("packed with zstd", "Unpack it first"),
    b"\xff\xfe": ("UTF-16 text", "Save it as UTF-8"),
    b"\xfe\xff": ("UTF-16 text", "Save it as UTF-8"),
}
PACKED = (".gz", ".zip", ".xz", ".zst", ".bz2")


def read_plain(path: Path | str, what: str, most: int) -> bytes:
    """A text file's bytes, without UTF-8's byte order mark.

    Raises:
        InputError: as :func:`ssd_data.core.files.inside.read_bytes`, or it is packed, UTF-16 or a
            folder.
    """
    if is_folder(folder := Path(path)):
        inside = [name for name in names_in(folder) if is_file(folder / name)]
        hint = f"In it there are {few(inside)}" if inside else ""
        raise InputError(f"this is a folder; name the {what}", where=path, hint=hint)
    return _as_text(read_bytes(path, what, most), what, path)


def read_blocks(path: Path | str, what: str, most: int) -> Iterator[tuple[int, bytes]]:
    """A text file's lines, some megabytes at a time: how many lines stand before, and their bytes.

    Raises:
        InputError: as :func:`read_plain`.
    """
    if is_folder(path):
        yield 0, read_plain(path, what, most)
        return
    with open_regular(path, what, most) as file:
        before, waiting = 0, [b""]
        data = _as_text(file.read(BLOCK), what, path)
        while data:
            end = data.rfind(b"\n") + 1
            if end:
                block = b"".join([*waiting, data[:end]])
                yield before, block
                before += block.count(b"\n")
                waiting = []
            waiting.append(data[end:])
            data = file.read(BLOCK)
        if (rest := b"".join(waiting)) or not before:
            yield before, rest


def _as_text(data: bytes, what: str, path: object) -> bytes:
    for beginning, (name, cure) in NO_TEXT.items():
        if data.startswith(beginning):
            raise InputError(f"the {what} is {name}", where=path, hint=cure)
    return data.removeprefix(BOM)


def unpack_hint(names: Iterable[str]) -> str:
    """What to do where files are missing that are there in packed form; empty if none is."""
    packed = next((name for name in names if name.endswith(PACKED)), "")
    return f"{packed} is packed: unpack it first" if packed else ""


def line_of_numbers(line: str, columns: Sequence[str], where: str) -> list[float]:
    """The numbers of one line: finite, and as many as the format wants.

    Args:
        columns: what a line is; its last five are numbers, one of them the score.

    Raises:
        InputError: they are not.
    """
    words, hint = line.split(), f"A line is: {' '.join(columns)}"
    numbers = columns[-5:]
    try:
        values = [float(word) for word in words]
    except ValueError:
        what = f'"{line.strip()[:60]}" are not 5 numbers'
        raise InputError(what, where=where, hint=hint) from None
    if len(values) != 5 or "_" in line:
        what = f"5 numbers should stand here, found {len(values)}"
        raise InputError(what, where=where, hint=hint)
    coordinates = list(values)
    score = coordinates.pop(numbers.index(SCORE))
    if not np.isfinite(coordinates).all():
        raise InputError("a coordinate is not a finite number", where=where)
    if max(map(abs, coordinates)) > FAR:
        raise InputError("a coordinate is out of all bounds", where=where)
    if not np.isfinite(score):
        raise InputError("the score is not a finite number", where=where)
    return values


def note_odd_boxes(found: Found, truth: Truth) -> None:
    """Count boxes that are inverted, lie wholly outside their picture, or reach far beyond it."""
    odd: list[list[Ints]] = [[], [], []]
    for part in parts(len(found.boxes)):
        flags = _odd_boxes(found.boxes[part], found.picture[part], truth)
        for rows, one in zip(odd, flags, strict=True):
            rows.append(np.flatnonzero(one) + part.start)
    for rows, what in zip(odd, ODD, strict=True):
        for row in (row for some in rows for row in some):
            found.notes.add(what, truth.pictures[found.picture[row]])


def _odd_boxes(boxes: Floats, picture: Ints, truth: Truth) -> tuple[Flags, Flags, Flags]:
    """Which boxes are each of :data:`ODD`."""
    turned = inverted(boxes)
    outside = (boxes[:, 2] < -1) | (boxes[:, 3] < -1)
    far = np.zeros_like(outside)
    if truth.sizes.any():
        size = np.where(truth.sizes > 0, truth.sizes, np.inf)[picture]
        outside |= (boxes[:, :2] > size + 1).any(axis=1)
        far = np.any((boxes[:, :2] < -size) | (boxes[:, 2:] > 2 * size), axis=1)
    return turned, outside & ~turned, far & ~outside & ~turned


def note_twins(found: Found, truth: Truth) -> None:
    """Count detections that stand twice: same picture, class, score and box."""
    number = len(found.boxes)
    if number <= MANY:
        again = [_twins(found)]
    else:
        shares = -(-number // PART)
        share = np.concatenate(
            [_sums(found.rows(p)).view(np.int64) % shares for p in parts(number)]
        )
        share = share.astype(np.int32)
        groups = (np.flatnonzero(share == one) for one in range(shares))
        again = [rows[_twins(found.rows(rows))] for rows in groups]
    for row in np.sort(np.concatenate(again)):
        what = "detection that stands twice: the second counts as wrong"
        found.notes.add(what, truth.pictures[found.picture[row]])


def _values(found: Found) -> tuple[Ints | Floats, ...]:
    return (found.picture, found.label, found.scores, *found.boxes.T)


def _sums(found: Found) -> Floats:
    """Equal rows have equal sums, others hardly ever: as a rule nothing more is to be sorted."""
    pairs = zip(_values(found), WEIGHTS, strict=True)
    total: Floats = sum((column * weight for column, weight in pairs), np.zeros(len(found.boxes)))
    return total


def _twins(found: Found) -> Ints:
    """The rows that have stood before."""
    sums = np.sort(_sums(found))
    if not (sums[1:] == sums[:-1]).any():
        return np.zeros(0, np.int64)
    columns = _values(found)
    order = np.lexsort(columns)
    again = np.ones(max(len(order) - 1, 0), np.bool_)
    for column in columns:
        again &= column[order[1:]] == column[order[:-1]]
    return order[1:][again]


def note_flat_scores(found: Found, truth: Truth) -> None:
    """Count classes whose many detections all have one score."""
    low, high = np.full((2, len(truth.classes)), np.inf)
    for part in parts(len(found.scores)):
        np.minimum.at(low, found.label[part], found.scores[part])
        np.minimum.at(high, found.label[part], -found.scores[part])
    many = np.bincount(found.label, minlength=len(truth.classes)) >= MANY_OF_A_CLASS
    for label in np.flatnonzero(many & (low == -high)):
        what = "class whose detections all have the same score: the file's order decides"
        found.notes.add(what, truth.classes[label])
