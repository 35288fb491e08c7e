"""A stand-in for the original's ``convert_annoset``, and the copying that nothing can beat.

The original decodes each picture for its record, decodes it again to learn its size, reads the file
once more where the bytes are kept, and commits every 1,000 records to an LMDB that syncs at each
commit. All of it runs in one thread.
"""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import lmdb
import numpy as np

from ssd_data.core.boxes import normalize
from ssd_data.core.notes import Tally
from ssd_data.core.structures import AnnotatedImage, Pixels
from ssd_data.data.dataset import Dataset
from ssd_data.data.lmdb.records import encode_record, key_of

COMMIT = 1000
MAP_SIZE = 1 << 40


def convert(dataset: Dataset, split: str, out: Path, size: tuple[int, int] | None = None) -> None:
    """Write the split as the original does, from the list to the synced LMDB."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    out.mkdir(parents=True)
    with lmdb.open(str(out), map_size=MAP_SIZE) as environment:
        transaction = environment.begin(write=True)
        for number, entry in enumerate(dataset.entries(split, Tally())):
            assert isinstance(entry, AnnotatedImage)
            value = _record(dataset.root / entry.image, entry, size)
            transaction.put(key_of(number, entry.image), value)
            if (number + 1) % COMMIT == 0:
                transaction.commit()
                transaction = environment.begin(write=True)
        transaction.commit()
    cv2.setNumThreads(threads)


def _record(path: Path, entry: AnnotatedImage, size: tuple[int, int] | None) -> bytes:
    picture = np.asarray(cv2.imread(str(path)), np.uint8)
    data = path.read_bytes() if size is None else _resized(picture, size)
    for_its_size = cv2.imread(str(path))
    assert for_its_size is not None
    height, width = for_its_size.shape[:2]
    columns, rows = size or (picture.shape[1], picture.shape[0])
    boxes = normalize(entry.boxes, width, height)
    labels = np.ones(len(boxes), np.int32)
    return encode_record(data, (3, rows, columns), labels, boxes, entry.difficult)


def _resized(picture: Pixels, size: tuple[int, int]) -> bytes:
    options = [cv2.IMWRITE_JPEG_QUALITY, 95]
    return bytes(cv2.imencode(".jpg", cv2.resize(picture, size), options)[1])


def copy(files: list[Path], out: Path) -> None:
    """All the files' bytes into one file, synced: as fast as bytes can be kept at all."""
    with out.open("wb") as target:
        for file in files:
            target.write(file.read_bytes())
        target.flush()
        os.fsync(target.fileno())
