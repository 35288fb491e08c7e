"""The pictures that are evaluated: where each lies, so that any process can read its share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from ssd_data.core.errors import InputError
from ssd_data.core.files.fences import Fence, fence_of, require_inside, set_up_fence
from ssd_data.core.files.paths import below
from ssd_data.core.images import in_colour, read_picture
from ssd_data.core.structures import Pixels
from ssd_data.data.lmdb.store import open_shared


class ReadPicture(Protocol):
    """Reads the picture of an index; threads may call it."""

    def __call__(self, index: int, /, *, gray: bool = False) -> Pixels:
        """Uint8 (height, width, 3), BGR; with ``gray`` (height, width)."""


@runtime_checkable
class StoredPictures(ReadPicture, Protocol):
    """Pictures that lie where other processes find them, too."""

    @abstractmethod
    def part(self, indices: Sequence[int]) -> StoredPictures:
        """Some of them, in that order, which can be pickled."""


@dataclass(frozen=True, slots=True)
class FilePictures(StoredPictures):
    """Pictures of a raw data set.

    Attributes:
        root: what they lie below. images: their paths there.
        fence: what links are not followed out of; of another process.
    """

    root: Path
    images: Sequence[str]
    fence: Fence | None = None

    def __call__(self, index: int, /, *, gray: bool = False) -> Pixels:
        """See :class:`ReadPicture`."""
        set_up_fence(self.fence)
        path = below(self.root, self.images[index])
        require_inside(path)
        return read_picture(path, self.images[index], gray=gray)

    def part(self, indices: Sequence[int]) -> FilePictures:
        """See :class:`StoredPictures`."""
        images = [self.images[index] for index in indices]
        return FilePictures(self.root.absolute(), images, fence_of(self.root))


class RecordPictures(StoredPictures):
    """Pictures of an LMDB's records, which stays open.

    Args:
        place: the LMDB.
        keys: the records'; by default all.
        records: how many it has in all, where that is known: another one may lie in its place.

    Raises:
        InputError: it cannot be opened, or is another one.
    """

    def __init__(
        self, place: Path, keys: Sequence[bytes] | None = None, records: int | None = None
    ) -> None:
        self._place, self._reader = place, open_shared(place)
        if records not in (None, len(self._reader)):
            raise InputError(
                f"it has {len(self._reader):,} records here, and {records:,} elsewhere",
                where=place,
                hint="All machines must see the same files",
            )
        self._keys = self._reader.keys() if keys is None else keys

    def __call__(self, index: int, /, *, gray: bool = False) -> Pixels:
        """See :class:`ReadPicture`."""
        record = self._reader.record(self._keys[index])
        with self._reader.naming():
            return record.decode(gray=True) if gray else in_colour(record.decode())

    def __reduce__(self) -> tuple[type[RecordPictures], tuple[Any, ...]]:
        return RecordPictures, (self._place, self._keys, len(self._reader))

    def part(self, indices: Sequence[int]) -> RecordPictures:
        """See :class:`StoredPictures`."""
        return RecordPictures(self._place, [self._keys[index] for index in indices])
