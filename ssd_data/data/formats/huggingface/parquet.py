"""Parquet files: their rows without the pictures, and the pictures one by one.

A row group's pictures come off the disk together, so a few groups are kept: a build asks for
pictures in a shuffled order.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ssd_data.core.errors import InputError
from ssd_data.core.files.fences import require_inside
from ssd_data.core.files.inside import openable
from ssd_data.core.files.there import is_file, stamp
from ssd_data.core.images import MOST_BYTES
from ssd_data.core.optional import require

EXTRA = "hf"
ROWS = 256  # that are made objects at once
MOST_ROWS = 50_000_000
MOST_GROUP = 2 << 30  # bytes of a group's pictures
_PICTURE = ("image", "img", "picture", "photo")
AT_ONCE, SLACK, MOST_PACKED = 1 << 26, 1 << 25, 100  # bytes; bytes; times the file's size
KEPT = 256 << 20  # bytes of pictures that are kept at all


def has_pyarrow() -> bool:
    """Whether Parquet files can be read here."""
    return find_spec("pyarrow") is not None


class ParquetTable:
    """A Parquet file.

    Attributes:
        path: the file. name: names it in errors.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        self._pyarrow = require("pyarrow", EXTRA, error=InputError, where=name)
        self._parquet = require("pyarrow.parquet", EXTRA, error=InputError, where=name)

    def __reduce__(self) -> tuple[Any, ...]:
        """In another process it is opened anew."""
        return ParquetTable, (self.path, self.name)

    @cached_property
    def file(self) -> Any:
        """The open file.

        Raises:
            InputError: it is absent or no Parquet file, or a link leads out to it.
        """
        require_inside(self.path)
        if not is_file(self.path):
            raise InputError("the Parquet file is missing", where=self.name)
        place = openable(self.path, "Parquet file", self.name)
        with self._reading():
            file = self._parquet.ParquetFile(place, pre_buffer=False)
            rows = file.metadata.num_rows
        if not 0 <= rows <= MOST_ROWS:
            raise InputError(f"more than {MOST_ROWS:,} rows", where=self.name)
        return file

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """What is wrong with the file, in one error; names in it may be no text, either."""
        try:
            yield
        except (self._pyarrow.ArrowException, OSError, ValueError, LookupError) as error:
            raise self._broken(error) from None

    @property
    def stamp(self) -> tuple[int, int]:
        """Size and time of the file."""
        return stamp(self.path)

    @property
    def metadata(self) -> bytes | None:
        """What ``datasets`` writes of the features."""
        with self._reading():
            found: bytes | None = (self.file.schema_arrow.metadata or {}).get(b"huggingface")
        return found

    @cached_property
    def picture(self) -> str:
        """The column of pictures' bytes, empty where there is none; of several the first that is
        called so."""
        with self._reading():
            found = [f.name for f in self.file.schema_arrow if self._is_bytes(f.type)]
        return str(min(found, key=lambda name: name not in _PICTURE, default=""))

    def _is_bytes(self, kind: Any) -> bool:
        types = self._pyarrow.types
        if types.is_struct(kind):
            return bool(kind.get_field_index("bytes") >= 0)
        return bool(types.is_binary(kind) or types.is_large_binary(kind))

    @cached_property
    def _bytes(self) -> str:
        """The path of the column of bytes in the file's own schema."""
        with self._reading():
            index = self.file.schema_arrow.get_field_index(self.picture)
            kind = self.file.schema_arrow.field(index).type
        return f"{self.picture}.bytes" if self._pyarrow.types.is_struct(kind) else self.picture

    def rows(self, columns: Collection[str] = ()) -> Iterator[dict[str, Any]]:
        """All rows, a table each, without the bytes of pictures and masks.

        Args:
            columns: only these; all where none is named.

        Raises:
            InputError: the file is broken.
        """
        with self._reading():
            schema = self.file.schema
            paths = [schema.column(index).path for index in range(len(schema))]
            heavy = {f.name for f in self.file.schema_arrow if self._is_bytes(f.type)}
        heavy |= {f"{name}.bytes" for name in heavy}
        wanted = [p for p in paths if not columns or p.partition(".")[0] in columns]
        wanted = [path for path in wanted if path not in heavy]
        yield from self._batches(wanted, range(self.file.num_row_groups), ROWS)

    def _batches(self, columns: list[str], groups: Any, size: int) -> Iterator[dict[str, Any]]:
        """Rows of some columns; refused where they unpack to far more than the file has.

        A value that stands once in the file may be that of every row.
        """
        room = SLACK + MOST_PACKED * self.stamp[0]
        with self._reading():
            largest, values = self._stated(columns, groups)
            if not max(largest, values) <= room:
                raise self._inflated(max(largest, values))
            few = max(min(size, AT_ONCE // max(largest, 1)), 1)
            there = 0
            for batch in self.file.iter_batches(few, list(groups), columns, use_threads=False):
                there += batch.nbytes
                if there > room:
                    raise self._inflated(there)
                yield from batch.to_pylist()

    def _stated(self, columns: list[str], groups: Any) -> tuple[int, int]:
        """The most bytes of a column of a group, and how many values all have."""
        largest = values = 0
        for group in groups:
            meta = self.file.metadata.row_group(group)
            for column in map(meta.column, range(meta.num_columns)):
                if column.path_in_schema in columns:
                    largest = max(largest, abs(column.total_uncompressed_size))
                    values += abs(column.num_values)
        return largest, values

    def _inflated(self, size: int) -> InputError:
        text = f"{size:,} bytes or more are packed into {self.stamp[0]:,}"
        return InputError(text, where=self.name)

    def has_bytes(self, group: int) -> bool:
        """Whether pictures of a row group are in the file itself; it is read up to the first.

        Not by its statistics: those of a damaged file end the process. What cannot be read is said
        when the pictures are.
        """
        rows = self._batches([self._bytes], [group], 1)
        try:
            return any(self._picture_in(row) is not None for row in rows)
        except InputError:
            return True

    def _picture_in(self, row: dict[str, Any]) -> bytes | None:
        value = row[self.picture]
        data: bytes | None = value.get("bytes") if isinstance(value, dict) else value
        return data

    def groups(self) -> list[int]:
        """The row at which each row group begins, and the count of all rows at the end."""
        starts = [0]
        with self._reading():
            meta = self.file.metadata
            for group in range(meta.num_row_groups):
                starts.append(starts[-1] + meta.row_group(group).num_rows)
        return starts

    def pictures(self, group: int) -> list[bytes | None]:
        """The bytes of a row group's pictures.

        Raises:
            InputError: the file is broken, or they are too many.
        """
        found: list[bytes | None] = []
        total = 0
        for row in self._batches([self._bytes], [group], 8):
            data = self._picture_in(row)
            total += len(data or b"")
            if total > MOST_GROUP:
                text = f"row group {group} has more than {MOST_GROUP >> 30} GiB of pictures"
                raise InputError(text, where=self.name)
            found.append(data)
        return found

    def _broken(self, error: Exception) -> InputError:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return InputError(f"not a readable Parquet file: {reason[:200]}", where=self.name)


class KeptGroups:
    """The row groups whose pictures were asked for last, as far as memory allows."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: OrderedDict[tuple[str, int], list[bytes | None]] = OrderedDict()
        self._size = 0

    def __reduce__(self) -> tuple[Any, ...]:
        """In another process nothing is kept yet."""
        return KeptGroups, ()

    def picture(self, table: ParquetTable, group: int, row: int) -> bytes | None:
        """The bytes of a picture.

        Args:
            row: in its group.

        Raises:
            InputError: the file is broken.
        """
        key = (table.name, group)
        with self._lock:
            if key not in self._held:
                self._held[key] = pictures = table.pictures(group)
                self._size += _bytes_of(pictures)
                while self._size > KEPT and len(self._held) > 1:
                    _, old = self._held.popitem(last=False)
                    self._size -= _bytes_of(old)
            self._held.move_to_end(key)
            return self._held[key][row]


def _bytes_of(pictures: list[bytes | None]) -> int:
    return sum(len(picture or b"") for picture in pictures)


@dataclass(frozen=True, slots=True)
class ParquetPicture:
    """A picture that lies in a Parquet file.

    Attributes:
        groups: where it is read. table: the file. group: its row group. row: in the group.
        stamp: of the file. name: of the picture.
    """

    groups: KeptGroups
    table: ParquetTable
    group: int
    row: int
    stamp: tuple[int, int]
    name: str

    def read(self) -> bytes:
        """The picture's file.

        Raises:
            InputError: the Parquet file is broken, or holds none here.
        """
        data = self.groups.picture(self.table, self.group, self.row)
        if data is None:
            raise InputError("the row holds no picture", where=self.name)
        if len(data) > MOST_BYTES:
            raise InputError(f"the picture is larger than {MOST_BYTES} bytes", where=self.name)
        return data
