"""What Data and ImageData share: an endless row of labelled pictures, taken by the batch."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ssd_data.batches.classifier import Planes, Transform
from ssd_data.core.errors import InputError
from ssd_data.core.images import picture_limits
from ssd_data.engines.torch.layer import Layer


class Labelled(NamedTuple):
    """A picture (uint8 or float32, channels, height, width), its label, and where it stands."""

    planes: Planes
    label: int
    where: str


class LabelledPictures(Layer):
    """Tops: pictures, float32 (batch, channels, height, width), and labels (batch,).

    Crops, mirroring, shuffling and skipping draw from a generator that torch's seeds.
    """

    bottoms = (0, 0)

    def records(self) -> Iterator[Labelled]:
        """All of them, again and again; never ends."""
        raise NotImplementedError

    def batch_size(self) -> int:
        """How many pictures make a batch."""
        raise NotImplementedError

    def setup(self, *bottoms: Tensor) -> None:
        """Look at the first record, whose size is the tops'."""
        p = self.param.transform_param
        self.random = np.random.default_rng(int(torch.randint(1 << 62, ()).item()))
        self.transform = Transform.read(p, self.training, self.node.where)
        if not self.batch_size():
            raise self.error("batch_size is missing, or 0")
        with picture_limits():
            upcoming = self.records()
            self._first = next(upcoming)
        self._upcoming = chain([self._first], upcoming)

    def infer(self, *bottoms: Tensor) -> tuple[Tensor, ...]:
        """The shapes that the first record gives."""
        shape = self.transform.shape(self._first.planes, self._first.where)
        batch = self.batch_size()
        return torch.empty(batch, *shape, device="meta"), torch.empty(batch, device="meta")

    def forward(self, *bottoms: Tensor) -> tuple[Tensor, ...]:
        """The next batch.

        Raises:
            InputError: a picture cannot be read, or is not as large as the batch's first.
        """
        pictures: list[np.ndarray] = []
        labels = []
        with picture_limits():
            for _ in range(self.batch_size()):
                planes, label, where = next(self._upcoming)
                picture = self.transform(planes, self.random, where)
                if pictures and picture.shape != pictures[0].shape:
                    first, other = ("x".join(map(str, a.shape)) for a in (pictures[0], picture))
                    raise InputError(
                        f"the picture is {other}, the first of its batch {first}",
                        where=where,
                        hint="Resize all to one size, or set crop_size",
                    )
                pictures.append(picture)
                labels.append(label)
        return torch.from_numpy(np.stack(pictures)), torch.tensor(labels, dtype=torch.float32)
