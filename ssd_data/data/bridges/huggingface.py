"""An LMDB as a data set of Hugging Face's ``datasets``.

Columns are those of the detection sets on its hub and of the object detection guide of
``transformers``: https://huggingface.co/docs/datasets/object_detection
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ssd_data.core.labelmap import LabelMap
from ssd_data.core.optional import require
from ssd_data.core.version import __version__
from ssd_data.data.bridges.entries import LmdbEntries
from ssd_data.data.lmdb.identity import digest

BATCH = 100  # rows that are in memory at once


def hf_dataset(lmdb: Path | str, labelmap: LabelMap | Path | str | None = None) -> Any:
    """An LMDB as a ``datasets.Dataset``, to train with transformers or to be pushed to a hub.

    A row has ``image_id`` (the record's place), ``image`` (decoded when it is asked for; the stored
    bytes until then), ``width``, ``height``, and ``objects`` with, of N boxes: ``id``, ``area``,
    ``bbox`` (xmin ymin width height in pixels of the stored picture), ``category`` (from 0, without
    the background: a label less one, where labels count without a gap) and ``difficult``.

    The rows are written into the cache of ``datasets`` and mapped from there, so that an LMDB of
    any size will do; the same LMDB is written once.

    >>> rows = hf_dataset("test_lmdb")
    >>> rows[0]["image"].size, rows[0]["objects"]["category"]
    ((105, 87), [0, 0, 1])
    >>> rows.features["objects"]["category"].feature.names
    ['circle', 'square', 'triangle']

    Args:
        lmdb: its folder.
        labelmap: names the classes; by default ``labelmap.prototxt`` in the LMDB or beside it.

    Raises:
        InputError: there is no LMDB or no labelmap, or a record is broken.
        SsdDataError: ``datasets`` is not installed.
    """
    # A folder of this name here would do for ``datasets``, but not for what is in it.
    require("datasets.arrow_dataset", "datasets")
    datasets = require("datasets", "datasets")
    entries = LmdbEntries(lmdb, labelmap)
    told = [digest(entries.reader), __version__, *entries.names]
    try:
        return datasets.Dataset.from_generator(
            _rows,
            features=_features(datasets, entries.names),
            gen_kwargs={"entries": entries},
            fingerprint=hashlib.sha256(repr(told).encode()).hexdigest()[:32],
            writer_batch_size=BATCH,
        )
    except datasets.exceptions.DatasetGenerationError as error:
        raise error.__cause__ or error from None


def _rows(entries: LmdbEntries) -> Iterator[dict[str, Any]]:
    for place, entry in enumerate(entries):
        yield {
            "image_id": place,
            "image": {"bytes": entry.data, "path": entry.image},
            "width": entry.width,
            "height": entry.height,
            "objects": {
                "id": list(range(len(entry.boxes))),
                "area": (entry.boxes[:, 2] * entry.boxes[:, 3]).tolist(),
                "bbox": entry.boxes.tolist(),
                "category": entry.classes.tolist(),
                "difficult": entry.difficult.tolist(),
            },
        }


def _features(datasets: Any, names: list[str]) -> Any:
    value = datasets.Value
    many = datasets.Sequence
    return datasets.Features(
        {
            "image_id": value("int64"),
            "image": datasets.Image(),
            "width": value("int32"),
            "height": value("int32"),
            "objects": {
                "id": many(value("int64")),
                "area": many(value("float32")),
                "bbox": many(many(value("float32"), length=4)),
                "category": many(datasets.ClassLabel(names=names)),
                "difficult": many(value("bool")),
            },
        }
    )
