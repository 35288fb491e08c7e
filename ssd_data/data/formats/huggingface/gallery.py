"""The pictures of a file's rows: in the Parquet file itself, or files beside it."""

from __future__ import annotations

import posixpath
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ssd_data.core.errors import InputError
from ssd_data.core.files.paths import below, is_below
from ssd_data.data.formats.fournumbers import Size
from ssd_data.data.formats.huggingface.parquet import KeptGroups, ParquetPicture, ParquetTable
from ssd_data.data.formats.huggingface.schema import PARQUET, HuggingFaceSource
from ssd_data.data.formats.huggingface.table import ObjectTable
from ssd_data.data.formats.indexes import ListedFinder, picture_size, size_of
from ssd_data.data.formats.pictures import has_picture_ending

_ENDINGS = ((b"\xff\xd8", ".jpg"), (b"\x89PNG", ".png"), (b"RIFF", ".webp"), (b"BM", ".bmp"))


@dataclass(frozen=True, slots=True)
class ShownPicture:
    """A row's picture.

    Attributes:
        path: below the root; of one that the Parquet file holds, the path that it would have.
        held: then, what gives its bytes.
        how: in which way it was found other than by its very name.
        error: why there is none.
    """

    path: str
    held: ParquetPicture | None = None
    how: str = ""
    error: InputError | None = None


class PictureGallery:
    """The pictures of a table's rows."""

    def __init__(self, root: Path, source: HuggingFaceSource, table: ObjectTable) -> None:
        self.root, self._source, self._table = root, source, table
        self._kept = KeptGroups()
        self._parquet: ParquetTable | None = None
        if source.file.endswith(PARQUET):
            parquet = ParquetTable(below(root, source.file), source.file)
            if parquet.picture:
                self._parquet, self._stamp = parquet, parquet.stamp
                self._starts = parquet.groups()
                self._inside = [parquet.has_bytes(g) for g in range(len(self._starts) - 1)]

    @cached_property
    def finder(self) -> ListedFinder:
        """Finds pictures that are files."""
        return ListedFinder(self.root, self._source, self._source.file)

    def show(self, picture: int) -> ShownPicture:
        """The picture of a row."""
        name, where = self._table.pictures[picture], self._table.where(picture)
        if self._parquet is not None:
            group = bisect_right(self._starts, picture) - 1
            if self._inside[group]:
                row = picture - self._starts[group]
                path = self._path(picture, name)
                held = ParquetPicture(self._kept, self._parquet, group, row, self._stamp, where)
                return ShownPicture(path, held)
        if not name:
            return ShownPicture(where, error=InputError("the row has no picture", where=where))
        try:
            if found := self.finder.find(name, where):
                return ShownPicture(found.path, how=found.how)
            raise self.finder.absent(name, where)
        except InputError as error:
            return ShownPicture(name, error=error)

    def size_of(self, picture: int) -> Size | None:
        """Width and height of a row's picture, by its header; None where it has none."""
        shown = self.show(picture)
        if shown.held is None:
            return None if shown.error else picture_size(self.root / shown.path)
        try:
            return size_of(shown.held.read())
        except InputError:
            return None

    def _path(self, picture: int, name: str) -> str:
        """The path that a held picture would have: its own name below the Parquet file's."""
        base = posixpath.basename(name.replace("\\", "/"))
        if not base or self._names[base] > 1 or not is_below(base):
            ending = posixpath.splitext(base)[1] if has_picture_ending(base) else self._ending
            base = f"{picture:06d}{ending if is_below(f'a{ending}') else ''}"
        elif not has_picture_ending(base):
            base += self._ending
        return f"{self._source.file.removesuffix(PARQUET)}/{base}"

    @cached_property
    def _names(self) -> Counter[str]:
        names = (name.replace("\\", "/") for name in self._table.pictures)
        return Counter(posixpath.basename(name) for name in names)

    @cached_property
    def _ending(self) -> str:
        """The ending of pictures that have none, by the first one's content."""
        assert self._parquet is not None
        data = self._kept.picture(self._parquet, 0, 0) if self._starts[-1] else None
        return next((end for start, end in _ENDINGS if (data or b"").startswith(start)), "")
