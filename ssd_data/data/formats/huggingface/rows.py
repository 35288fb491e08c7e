"""The rows of a file: a table each, with the number of its line or row."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from ssd_data.core.errors import InputError
from ssd_data.data.formats.csvrows import DELIMITERS, head_of, parsed, rows_of
from ssd_data.data.formats.huggingface.parquet import ParquetTable
from ssd_data.data.formats.huggingface.schema import PARQUET
from ssd_data.data.formats.jsonrows import lines_of

Row = Mapping[str, Any]
METADATA = ("metadata.jsonl", "metadata.csv", "metadata.parquet")
MAX_LINE = 64 << 20
PICTURE = (
    "file_name",
    "image_file_name",
    "image",
    "image_path",
    "filename",
    "path",
    "img",
    "picture",
    "photo",
)


def numbered_rows(
    path: Path, name: str, columns: Collection[str] = ()
) -> Iterator[tuple[int, Row]]:
    """The rows of a Parquet file (counted from 1), or of a metadata file (by their lines).

    Args:
        name: names the file in errors. columns: of a Parquet file, only these.

    Raises:
        InputError: the file is absent or broken.
    """
    if name.endswith(PARQUET):
        yield from enumerate(ParquetTable(path, name).rows(columns), 1)
    elif name.endswith(".csv"):
        yield from _cells(path, name)
    else:
        yield from _lines(path, name)


def picture_name(row: Row) -> str:
    """How a row names its picture; empty where it does not."""
    for key in PICTURE:
        value = row.get(key)
        value = value.get("path") if isinstance(value, Mapping) else value
        if isinstance(value, str) and value:
            return value
    return ""


def _lines(path: Path, name: str) -> Iterator[tuple[int, Row]]:
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    for number, line in lines_of(path, name, "metadata file", MAX_LINE):
        try:
            yield number, decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise InputError(f"not a line of JSON: {error}", where=f"{name}:{number}") from None


def _cells(path: Path, name: str) -> Iterator[tuple[int, Row]]:
    lines, stated = head_of(path, name, 1 << 16)
    fitting = [d for d in DELIMITERS if (r := parsed(lines, d)) and len(r[0]) > 1]
    with rows_of(path, name, stated or next(iter(fitting), ",")) as rows:
        source = iter(rows)
        header = [cell.strip() for cell in next(source, [])]
        for row in source:
            yield rows.line, {key: _value(cell) for key, cell in zip(header, row, strict=False)}


def _value(cell: str) -> Any:
    """A cell, of which JSON is what it says."""
    text = cell.strip()
    if text[:1] not in ("{", "["):
        return text
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return text
