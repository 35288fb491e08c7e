"""An LMDB as a data set of FiftyOne, to be looked at in its app.

https://docs.voxel51.com/user_guide/import_datasets.html#custom-formats
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ssd_data.core.files.paths import below
from ssd_data.core.files.whole import write_whole
from ssd_data.core.labelmap import LabelMap
from ssd_data.core.optional import require
from ssd_data.data.bridges.entries import Entry, LmdbEntries


def fiftyone_importer(
    lmdb: Path | str,
    pictures: Path | str,
    labelmap: LabelMap | Path | str | None = None,
) -> Any:
    """A ``LabeledImageDatasetImporter`` for ``fiftyone.Dataset.from_importer``.

    FiftyOne shows files, so that the stored pictures are written to a folder as they are read. A
    sample has ``ground_truth`` with a ``Detection`` of each box: the class's name, xmin ymin width
    height as fractions, and the attribute ``difficult``.

    >>> importer = fiftyone_importer("test_lmdb", "pictures")
    >>> file, size, truth = next(iter(importer))
    >>> size.width, size.height, truth.detections[2].label
    (105, 87, 'square')

    Args:
        lmdb: its folder.
        pictures: the folder to write pictures to; what is there of the same name is written anew.
        labelmap: names the classes; by default ``labelmap.prototxt`` in the LMDB or beside it.

    Raises:
        InputError: there is no LMDB or no labelmap; while it imports, that a record is broken.
        SsdDataError: FiftyOne is not installed.
    """
    data = require("fiftyone.utils.data", "fiftyone", "FiftyOne")
    return _importer(data, require("fiftyone", "fiftyone"))(
        LmdbEntries(lmdb, labelmap), Path(pictures).absolute()
    )


def _importer(data: Any, fiftyone: Any) -> Any:
    class LmdbImporter(data.LabeledImageDatasetImporter):  # type: ignore[misc]
        """What FiftyOne asks of an importer."""

        has_dataset_info = True
        has_image_metadata = True
        label_cls = fiftyone.Detections

        def __init__(self, entries: LmdbEntries, folder: Path) -> None:
            super().__init__(dataset_dir=str(folder))
            self.entries, self.folder = entries, folder
            self._rest: Iterator[Entry] = iter(())

        def __len__(self) -> int:
            return len(self.entries)

        def __iter__(self) -> Any:
            self._rest = iter(self.entries)
            return self

        def __next__(self) -> tuple[str, Any, Any]:
            entry = next(self._rest)
            file = _place(self.folder, entry)
            write_whole(file, entry.data, sync=False)
            size = {"width": entry.width, "height": entry.height}
            return (
                str(file),
                fiftyone.ImageMetadata(**size),
                _detections(fiftyone, entry, self.entries.names),
            )

        def setup(self) -> None:
            self.folder.mkdir(parents=True, exist_ok=True)

        def close(self, *_: Any) -> None:
            self._rest = iter(())

        def get_dataset_info(self) -> dict[str, Any]:
            return {"lmdb": str(self.entries.reader.path), "classes": self.entries.names}

    return LmdbImporter


def _detections(fiftyone: Any, entry: Entry, names: list[str]) -> Any:
    fractions = entry.boxes / np.array([entry.width, entry.height] * 2)
    rows = zip(fractions.tolist(), entry.classes, entry.difficult.tolist(), strict=True)
    return fiftyone.Detections(
        detections=[
            fiftyone.Detection(label=names[place], bounding_box=box, difficult=difficult)
            for box, place, difficult in rows
        ]
    )


def _place(folder: Path, entry: Entry) -> Path:
    """Where a record's picture is written; never outside the folder."""
    file = below(folder, entry.key, entry.key)
    ending = f".{entry.extension}"
    return file if file.suffix.lower() in (ending, ".jpeg") else file.with_name(file.name + ending)
