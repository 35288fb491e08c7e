"""What the formats share that records can be written back to.

Such a format's ``write.py`` has ``WRITER``, a class that is a :class:`Writer` and is made of a
:class:`Target`. Paths come from keys, which are hostile until checked; boxes become pixels as
``pixels.py`` finds them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Protocol

import numpy as np

from ssd_data.core.files.there import is_file, is_there
from ssd_data.core.labelmap import LabelMap
from ssd_data.core.notes import Tally
from ssd_data.core.structures import Flags
from ssd_data.data.formats.foldernames import is_left_behind
from ssd_data.data.lmdb.records import Record

ROUNDED = "box rounded (nothing that can be written gives its fraction back)"
MOST_BYTES = 200
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
class PictureFile:
    """A picture file; ``kind`` is its format ("jpg", "png" …) by content."""

    data: bytes
    kind: str


class Writer(Protocol):
    """Writes one split; its making checks the labelmap and the split's name."""

    @property
    def labelmap(self) -> LabelMap:
        """The labelmap that belongs to what is written."""

    def add(self, index: int, record: Record, picture: PictureFile) -> str:
        """Write one picture with its boxes.

        Returns:
            its path below the root, as a build's keys have it.
        """

    def finish(self) -> None:
        """Write what comes after the last picture."""

    def command(self, out: Path) -> list[str]:
        """The words of the command that builds it again."""


def with_ending(path: str, kind: str) -> str:
    """A picture's path with the ending of its format, which it may have already."""
    endings = _ENDINGS.get(kind, (kind,))
    stem, _, ending = path.rpartition(".")
    if ending.lower() in endings:
        return path
    return f"{stem if ending.lower() in _ALL_ENDINGS else path}.{endings[0]}"


def is_safe(path: str) -> bool:
    """Whether a picture's path stays below its root, can stand in a list, XML or JSON as is, and is
    looked for there: hidden files are not.
    """
    stem = path.rpartition(".")[0].rpartition("/")[2]
    return not is_left_behind(path) and all(
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
        return all(is_file(path) and path.read_bytes() == data for path, data in targets.items())
    for path, data in targets.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(data)
    return True


def _is_free(folder: Path, path: str) -> bool:
    # Asked of the disk: a table of all names would grow with the number of records.
    above = (folder / parent for parent in PurePosixPath(path).parents)
    return not is_there(folder / path) and not any(is_file(parent) for parent in above)


def append(path: Path, data: bytes) -> None:
    """Add to the end of a file, which is made with its folders if it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(data)


def note_rounded(notes: Tally, record: Record, exact: Flags) -> None:
    """Count the boxes that are not ``exact``."""
    for index in np.flatnonzero(~exact):
        notes.add(ROUNDED, f"{record.key}: box {index}")
