"""AnnotatedData: augmented pictures and their boxes from an LMDB (``annotated_data_param``)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ssd_data.batches import NO_PLAN, Batches
from ssd_data.batches.mix import Share
from ssd_data.batches.plan import FeedPlan
from ssd_data.engines.torch.layer import Layer, naming, sized

if TYPE_CHECKING:
    from ssd_data.engines.torch.net import Net


@dataclass(frozen=True, slots=True)
class Feed:
    """How a data layer reads, see the arguments of :class:`~ssd_data.batches.Batches`."""

    seed: int = 0
    workers: int | None = None
    jpeg_roundtrip: bool = True
    rank: int = 0
    world: int = 1
    min_box: int = 0
    cache: int = 0
    mix: tuple[Share, ...] = ()
    plan: FeedPlan = NO_PLAN


class AnnotatedData(Layer):
    """Tops: pictures (batch, channels, height, width), and labels (1, 1, boxes, 8).

    Attributes:
        feed: how it reads; set it before the first forward.
        position: how many records were read; setting it goes on from there.
        keys: of the last batch, and behind them those of what its pictures took of others.
    """

    bottoms = (0, 0)

    def setup(self, *bottoms: Tensor) -> None:
        """No batch is made before the first forward, unless its shape depends on the pictures."""
        self.feed = Feed()
        self.keys: tuple[str, ...] = ()
        self._start = 0
        self._waited = 0.0
        self._batches: Batches | None = None
        if not 1 <= len(self.node.tops) <= 2:
            raise self.error(f"has {len(self.node.tops)} tops; AnnotatedData has data and label")

    def infer(self, *bottoms: Tensor) -> tuple[Tensor, ...]:
        """The data's shape, and that of a label of one box."""
        with naming(self), Batches(self.param, self.phase, workers=0) as batches:
            data = batches.shape or next(batches).data.shape
        return sized(*data), sized(1, 1, 1, 8)

    def forward(self, *bottoms: Tensor) -> tuple[Tensor, ...]:
        """The next batch."""
        if self._batches is None:
            self._batches = self._open()
        batch = next(self._batches)
        self.keys = (*batch.keys, *(key for keys in batch.others for key in keys))
        return torch.from_numpy(batch.data), torch.from_numpy(batch.label)

    @property
    def waited(self) -> float:
        """Seconds spent waiting for batches."""
        return self._waited + (self._batches.waited if self._batches is not None else 0.0)

    @property
    def global_batch(self) -> int:
        """Pictures of a batch, of all processes together."""
        return int(self.param.data_param.batch_size) * self.feed.world

    @property
    def position(self) -> int:
        """How many records were read, by all processes together."""
        return self._start if self._batches is None else self._batches.position

    @position.setter
    def position(self, value: int) -> None:
        self.close()
        self._start = value

    def close(self) -> None:
        """Stop the workers; the next forward goes on where it was."""
        if self._batches is not None:
            self._start, self._waited = self._batches.position, self.waited
            self._batches.close()
            self._batches = None

    def _open(self) -> Batches:
        feed = {one.name: getattr(self.feed, one.name) for one in fields(self.feed)}
        return Batches(self.param, self.phase, start=self._start, **feed)


def data_layers(*nets: Net) -> Iterator[AnnotatedData]:
    """The layers of some nets that read an LMDB of pictures with boxes."""
    return (layer for net in nets for layer in net.steps if isinstance(layer, AnnotatedData))
