"""What Data and ImageData share: an endless row of labelled pictures, taken by the batch."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ssd_data.batches import generator_at
from ssd_data.batches.classifier import Planes, Transform
from ssd_data.core.errors import InputError
from ssd_data.core.images import picture_limits
from ssd_data.engines.torch.layer import Layer

_SKIP, _SHUFFLE = -1, -2  # positions that no picture has, nor the shuffling before the last


class Labelled(NamedTuple):
    """A picture (uint8 or float32, channels, height, width), its label, and where it stands."""

    planes: Planes
    label: int
    where: str


class LabelledPictures(Layer):
    """Tops: pictures, float32 (batch, channels, height, width), and labels (batch,).

    Crops, mirroring, shuffling and skipping draw from generators that follow from a seed, which
    torch's own generator gives, and from the place in the row of pictures.

    Attributes:
        position: how many pictures were read; setting it goes on from there.
    """

    bottoms = (0, 0)

    def records(self, start: int) -> Iterator[Labelled]:
        """All of them, again and again, without the first ``start``; never ends."""
        raise NotImplementedError

    def batch_size(self) -> int:
        """How many pictures make a batch."""
        raise NotImplementedError

    def setup(self, *bottoms: Tensor) -> None:
        """Look at the first record, whose size is the tops'."""
        p = self.param.transform_param
        self.seed = int(torch.randint(1 << 62, (), device="cpu").item())
        self.transform = Transform.read(p, self.training, self.node.where)
        if not self.batch_size():
            raise self.error("batch_size is missing, or 0")
        with picture_limits():
            upcoming = self.records(0)
            self._first = next(upcoming)
        self._upcoming: Iterator[Labelled] = chain([self._first], upcoming)
        self._position = 0

    @property
    def position(self) -> int:
        """How many pictures were read."""
        return self._position

    @position.setter
    def position(self, value: int) -> None:
        if value != self._position:
            self._position, self._upcoming = value, self.records(value)

    def skipped(self, most: int) -> int:
        """How many of the first pictures are left out, fewer than ``rand_skip`` says."""
        return int(generator_at(self.seed, _SKIP).integers(most)) if most else 0

    def shuffled(self, count: int, time: int) -> npt.NDArray[np.int64]:
        """The order of all pictures, the ``time``-th time round."""
        return generator_at(self.seed, _SHUFFLE - time).permutation(count)

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
                picture = self.transform(planes, generator_at(self.seed, self._position), where)
                self._position += 1
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
