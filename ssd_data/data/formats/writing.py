"""What the formats share that records can be written back to.

Such a format's ``write.py`` has a class ``Exporter``:

* ``Exporter(target)``: checks the labelmap and the split's name;
* ``labelmap``: the labelmap that belongs to what is written;
* ``add(index, record, picture) -> str``: writes one picture with its boxes and returns its path, as
  a build's keys have it;
* ``finish()``: writes what comes after the last picture;
* ``command(out) -> list[str]``: the words of the command that builds it again.

Paths come from keys, which are hostile until checked.
Boxes are fractions and become the pixels that
:func:`ssd_data.core.boxes.normalize` turns back into the
very same float32, where there are any: the shortest decimals that do, read as float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count, product
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from ssd_data.core.structures import Boxes, Flags

if TYPE_CHECKING:
    from ssd_data.core.labelmap import LabelMap
    from ssd_data.core.notes import Tally
    from ssd_data.data.lmdb.records import Record

Floats: TypeAlias = npt.NDArray[np.float64]
ROUNDED = "box rounded (no float32 pixel gives its fraction back)"
MOST_BYTES = 200
MOST_DECIMALS = 8
_ENDINGS = {"jpg": ("jpg", "jpeg"), "tiff": ("tif", "tiff")}
_ALL_ENDINGS = frozenset({"jpg", "jpeg", "png", "bmp", "webp", "tif", "tiff", "gif"})


@dataclass(frozen=True, slots=True)
class Target:
    """What is written, and where.

    Attributes:
        folder: to write below; it takes its own name when all is done.
        split: the split's name, which is fit for a file's.
        labelmap: of the records; sound.
        count: how many records there are.
        sizes: the build's ``<split>_name_size.txt``, None where there is none.
        notes: takes what the format cannot hold.
    """

    folder: Path
    split: str
    labelmap: LabelMap
    count: int
    sizes: Path | None
    notes: Tally


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture file; ``kind`` is its format ("jpg", "png" …) by content."""

    data: bytes
    kind: str


def with_ending(path: str, kind: str) -> str:
    """A picture's path with the ending of its format, which it may have already."""
    endings = _ENDINGS.get(kind, (kind,))
    stem, _, ending = path.rpartition(".")
    if ending.lower() in endings:
        return path
    return f"{stem if ending.lower() in _ALL_ENDINGS else path}.{endings[0]}"


def is_safe(path: str) -> bool:
    """Whether a picture's path stays below its root and can stand in a list, XML or JSON as is."""
    stem = path.rpartition(".")[0].rpartition("/")[2]
    return all(
        part not in ("", ".", "..")
        and part.isprintable()
        and part == part.strip()
        and len(part.encode()) <= MOST_BYTES
        for part in (*path.split("/"), stem)
    )


def plain_names(image: str, kind: str, index: int) -> Iterator[str]:
    """File names for a picture whose path cannot be kept or is taken; never the same twice."""
    stem, _, ending = with_ending(image, kind).rpartition(".")
    text = "".join(c if c.isprintable() and c != "/" else "_" for c in stem)
    text = text.strip(" .").encode()[-MOST_BYTES:].decode(errors="ignore")
    stem = text.strip(" .") or "picture"
    yield f"{stem}.{ending}"
    for again in count():
        yield f"{stem}_{index:08d}{f'_{again}' if again else ''}.{ending}"


def place(folder: Path, files: Mapping[str, bytes]) -> bool:
    """Write new files below a folder, all of them or none.

    Returns:
        whether they are there now; also where they were before, byte for byte the same. False
        where one of the names is taken by something else.

    Raises:
        OSError: as the system says.
    """
    targets = {folder / path: data for path, data in files.items()}
    if not all(_is_free(folder, path) for path in files):
        return all(path.is_file() and path.read_bytes() == data for path, data in targets.items())
    for path, data in targets.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(data)
    return True


def _is_free(folder: Path, path: str) -> bool:
    # Asked of the disk: a table of all names would grow with the number of records.
    above = (folder / parent for parent in PurePosixPath(path).parents)
    return not (folder / path).exists() and not any(parent.is_file() for parent in above)


def append(path: Path, data: bytes) -> None:
    """Add to the end of a file, which is made with its folders if it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(data)


def note_rounded(notes: Tally, record: Record, exact: Flags) -> None:
    """Count the boxes that are not ``exact``."""
    for index in np.flatnonzero(~exact):
        notes.add(ROUNDED, f"{record.key}: box {index}")


def corners(fractions: Boxes, width: int, height: int) -> tuple[Floats, Flags]:
    """The pixels of fractional boxes, both as xmin, ymin, xmax, ymax.

    Returns:
        float64 (N, 4), to be written as decimals and read as float32; and bool (N,), which boxes
        come back to the bit. The others are off by one unit in the last place.
    """
    values, found = _pixels(fractions, np.array([width, height] * 2, np.float32))
    exact: Flags = np.all(found, axis=1)
    return values, exact


def xywh(fractions: Boxes, width: int, height: int) -> tuple[Floats, Flags]:
    """The pixels of fractional boxes as x, y, width, height.

    Reading sums ``xmax = x + width`` in float32, so that width is searched for with which the sum,
    not the width, gives the fraction back.

    Returns:
        as :func:`corners`; where no sum fits, xmax is off by the rounding of that sum.
    """
    sides = np.array([width, height], np.float32)
    low, high = fractions[:, :2], fractions[:, 2:]
    start, low_found = _pixels(low, sides)
    end, high_found = _pixels(high, sides)
    begin = start.astype(np.float32)  # as it is read
    extent, found = _nearest(
        high.astype(np.float64) * sides - begin,
        end.astype(np.float32) - begin,
        lambda tried: _same((begin + tried) / sides, high),
    )
    found &= low_found
    row, axis = np.nonzero(low_found & high_found & ~found)
    if len(row):
        searched = _search(low[row, axis], high[row, axis], sides[axis])
        start[row, axis], extent[row, axis], found[row, axis] = searched
    exact: Flags = np.all(found, axis=1)
    return np.hstack([start, extent]), exact


def _pixels(fractions: Boxes, sides: Boxes) -> tuple[Floats, Flags]:
    """The pixels of fractions of ``sides``, and which of them give the fraction back."""
    goal = fractions.astype(np.float64) * sides  # exact: 24 bits times 20
    return _nearest(goal, _single(goal), lambda tried: _same(tried / sides, fractions))


def _nearest(goal: Floats, near: Boxes, fits: Callable[[Boxes], Flags]) -> tuple[Floats, Flags]:
    """The shortest decimals around ``goal`` that fit, and which do.

    Args:
        goal: what lies in the middle of all that fits, so that the nearest fits if any does.
        near: the same in float32; taken where nothing shorter fits.
        fits: of numbers as they are read.
    """
    chosen, found = near.astype(np.float64), np.zeros(near.shape, np.bool_)
    for decimals in range(MOST_DECIMALS + 1):
        tried = np.round(goal, decimals)
        hit = ~found & fits(_single(tried))
        chosen[hit] = tried[hit]
        found |= hit
        if found.all():
            return chosen, found
    chosen[~found] = _short(near[~found])
    return chosen, found | fits(_single(chosen))


def _search(low: Boxes, high: Boxes, sides: Boxes) -> tuple[Floats, Floats, Flags]:
    """All starts and extents near by, for the few boxes where the next best do not fit."""
    starts = _neighbours(_single(low.astype(np.float64) * sides), 2)
    ends = _neighbours(_single(high.astype(np.float64) * sides), 1)
    best, extent, found = starts[0].copy(), ends[0] - starts[0], np.zeros(len(low), np.bool_)
    for start, end in product(starts, ends):
        start_fits = _same(start / sides, low)
        for tried in _neighbours(end - start, 1):
            hit = ~found & start_fits & _same((start + tried) / sides, high)
            best[hit], extent[hit] = start[hit], tried[hit]
            found |= hit
    return _short(best), _short(extent), found


def _neighbours(values: Boxes, steps: int) -> list[Boxes]:
    """The values and the float32 next to them, up to so many steps away, the nearest first."""
    found, up, down = [values], values, values
    for _ in range(steps):
        up, down = np.nextafter(up, np.float32(np.inf)), np.nextafter(down, np.float32(-np.inf))
        found += [up, down]
    return found


def _single(values: Floats) -> Boxes:
    return values.astype(np.float32)


def _short(values: Boxes) -> Floats:
    """The shortest decimals that are read as these float32."""
    short = values.astype(str).astype(np.float64)
    return np.where(_same(_single(short), values), short, values)


def _same(a: Boxes, b: Boxes) -> Flags:
    # By bits: 0.0 and -0.0 are equal and yet written differently.
    same: Flags = a.view(np.int32) == b.view(np.int32)
    return same
