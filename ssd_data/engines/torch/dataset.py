"""An LMDB as a data set of plain PyTorch, to train with torchvision or a loop of one's own.

A target's form is that of torchvision's detection models and of its reference training scripts:
https://docs.pytorch.org/vision/stable/models/faster_rcnn.html
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch.utils.data import Dataset

from ssd_data.core.errors import InputError
from ssd_data.core.files.remote.address import as_path
from ssd_data.core.images import in_colour
from ssd_data.data.lmdb.records import Record
from ssd_data.data.lmdb.store import LmdbReader, open_shared

Target: TypeAlias = dict[str, torch.Tensor]
Transforms: TypeAlias = Callable[[torch.Tensor, Target], tuple[Any, Any]]


class TorchDataset(Dataset[tuple[Any, Any]]):
    """The records of an AnnotatedDatum LMDB as pairs ``image, target``.

    ``image`` is uint8 (3, height, width), RGB. ``target`` has, of N boxes:

    * ``boxes``: float32 (N, 4), xmin ymin xmax ymax in pixels of the stored picture, as edges
      (xmax - xmin is a box's width);
    * ``labels``: int64 (N,), the labelmap's, so that 0 is the background;
    * ``area``: float32 (N,), in pixels;
    * ``difficult`` and ``iscrowd``: bool and int64 (N,), the same flag as VOC and COCO call it;
    * ``image_id``: int64 (1,), the record's place, from 0.

    It may be given to a ``DataLoader`` with any number of workers, forked or spawned.

    Attributes:
        path: the LMDB. transforms: see :func:`torch_dataset`.
    """

    def __init__(self, path: Path | str, transforms: Transforms | None = None) -> None:
        self.path = as_path(path)
        self.transforms = transforms
        self._reader: LmdbReader | None = None
        self._count = len(self._records())

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """One pair.

        Raises:
            IndexError: there is no such record.
            InputError: it cannot be read, or has a box that is no box; the error names it.
        """
        if not -len(self) <= index < len(self):
            raise IndexError(f"no record {index}: there are {len(self)}")
        records = self._records()
        record = records[index]
        with records.naming():
            pair = _image(record), _target(record, index % len(self))
        return pair if self.transforms is None else self.transforms(*pair)

    def _records(self) -> LmdbReader:
        if self._reader is None:
            self._reader = open_shared(self.path)
        return self._reader

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_reader": None}


def torch_dataset(lmdb: Path | str, transforms: Transforms | None = None) -> TorchDataset:
    """An LMDB for plain PyTorch, with torchvision's form of targets; see :class:`TorchDataset`.

    >>> from torch.utils.data import DataLoader
    >>> pictures = torch_dataset("test_lmdb")
    >>> image, target = pictures[0]
    >>> image.shape, target["labels"]
    (torch.Size([3, 87, 105]), tensor([1, 1, 2]))
    >>> batches = DataLoader(pictures, batch_size=2, collate_fn=lambda pairs: tuple(zip(*pairs)))
    >>> len(next(iter(batches))[0])
    2

    Args:
        lmdb: its folder.
        transforms: called with ``image, target``.

    Raises:
        InputError: there is no LMDB.
    """
    return TorchDataset(lmdb, transforms)


def _image(record: Record) -> torch.Tensor:
    pixels = in_colour(record.decode())
    return torch.from_numpy(np.ascontiguousarray(pixels[:, :, ::-1].transpose(2, 0, 1)))


def _target(record: Record, index: int) -> Target:
    boxes = record.boxes * np.array([record.width, record.height] * 2, np.float32)
    sides = boxes[:, 2:] - boxes[:, :2]
    if not (np.isfinite(boxes).all() and (sides > 0).all()):
        raise InputError(
            "it has a box without area, which torchvision's models refuse",
            where=record.key,
            hint="Build it anew with --empty drop or --empty mend",
        )
    difficult = torch.from_numpy(record.difficult.astype(np.bool_))
    return {
        "boxes": torch.from_numpy(np.ascontiguousarray(boxes, np.float32)),
        "labels": torch.from_numpy(record.labels.astype(np.int64)),
        "area": torch.from_numpy(np.ascontiguousarray(sides[:, 0] * sides[:, 1], np.float32)),
        "difficult": difficult,
        "iscrowd": difficult.to(torch.int64),
        "image_id": torch.tensor([index]),
    }
