"""An LMDB as a data set of Datumaro, which converts to some forty formats.

https://open-edge-platform.github.io/datumaro/
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ssd_data.core.errors import InputError
from ssd_data.core.labelmap import LabelMap
from ssd_data.core.optional import require
from ssd_data.data.bridges.entries import Entry, LmdbEntries
from ssd_data.data.lmdb.companions import split_of


def datumaro_dataset(lmdb: Path | str, labelmap: LabelMap | Path | str | None = None) -> Any:
    """An LMDB as a ``datumaro.Dataset``, to be filtered, compared or exported there.

    An item's id is the picture's path without its ending, its subset the split that the build's
    record or the LMDB's name states; it has the stored picture, and of each box a ``Bbox`` in
    pixels, with its ``label`` (from 0, without the background) and the attribute ``difficult``.

    >>> items = datumaro_dataset("test_lmdb")
    >>> len(items), [box.label for box in items.get("JPEGImages/test000001", "test").annotations]
    (4, [0, 0, 1])

    Args:
        lmdb: its folder.
        labelmap: names the classes; by default ``labelmap.prototxt`` in the LMDB or beside it.

    Raises:
        InputError: there is no LMDB or no labelmap, a record is broken, or two have one picture's
            path.
        SsdDataError: Datumaro is not installed.
    """
    datumaro = require("datumaro", "datumaro")
    media = require("datumaro.components.media", "datumaro")
    entries = LmdbEntries(lmdb, labelmap)
    items = list(_items(datumaro, media.Image, entries))
    return datumaro.Dataset.from_iterable(items, categories=entries.names)


def _items(datumaro: Any, picture: Any, entries: LmdbEntries) -> Iterator[Any]:
    subset = split_of(entries.reader.path) or None
    known: dict[str, str] = {}
    for entry in entries:
        name = str(Path(entry.image).with_suffix(""))
        if known.setdefault(name, entry.key) != entry.key:
            raise InputError(f"a picture of this path is there: {known[name]}", where=entry.key)
        yield datumaro.DatasetItem(
            id=name,
            subset=subset,
            media=picture.from_bytes(
                entry.data, ext=f".{entry.extension}", size=(entry.height, entry.width)
            ),
            annotations=list(_boxes(datumaro, entry)),
        )


def _boxes(datumaro: Any, entry: Entry) -> Iterator[Any]:
    rows = zip(entry.boxes.tolist(), entry.classes.tolist(), entry.difficult.tolist(), strict=True)
    for place, (box, label, difficult) in enumerate(rows):
        attributes = {"difficult": difficult}
        yield datumaro.Bbox(*box, id=place, group=place, label=label, attributes=attributes)
