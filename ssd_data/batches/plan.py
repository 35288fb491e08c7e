"""What a net is fed otherwise than its layer says, and how that changes along the stream:
elements of augmentation, sizes in turn, and augmentation that rests towards the end.

All of it follows from the seed and the position in the stream, as everything that is random does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ssd_data.batches.elements._base import Element
from ssd_data.proto import caffe_pb2

# What may rest, and the fields of ``transform_param`` that say it; a crop is the batch samplers'.
STEPS = {"distort": "distort_param", "expand": "expand_param", "noise": "noise_param", "crop": ""}


@dataclass(frozen=True, slots=True)
class FeedPlan:
    """By default nothing changes.

    >>> plan = FeedPlan(sizes=((96, 96), (128, 128)), closes=1000)
    >>> plan.is_closed(999), plan.is_closed(1000)
    (False, True)

    Attributes:
        sizes: width and height of the input, of which a batch has one; empty for the layer's own.
        every: so many batches have the same.
        closes: the position from which on strong elements and what is ``resting`` are left out;
            None for never.
        resting: of :data:`STEPS`.
        elements: of augmentation, see ``batches/elements``.
    """

    sizes: tuple[tuple[int, int], ...] = ()
    every: int = 1
    closes: int | None = None
    resting: tuple[str, ...] = ()
    elements: tuple[Element, ...] = ()

    def size_of(
        self, batch: int, draw: Callable[[int], np.random.Generator]
    ) -> tuple[int, int] | None:
        """The size of the batch of that number; None for the layer's own.

        Args:
            draw: gives the generator for a number.
        """
        if not self.sizes:
            return None
        return self.sizes[int(draw(batch // self.every).integers(len(self.sizes)))]

    def is_closed(self, position: int) -> bool:
        """Whether some of the augmentation rests at a position."""
        return self.closes is not None and position >= self.closes

    def layer_for(
        self, layer: caffe_pb2.LayerParameter, size: tuple[int, int] | None, closed: bool
    ) -> caffe_pb2.LayerParameter:
        """The data layer as it reads at one of the sizes, before or after the closing."""
        if size is None and not closed:
            return layer
        own = caffe_pb2.LayerParameter()
        own.CopyFrom(layer)
        if size is not None:
            own.transform_param.resize_param.width, own.transform_param.resize_param.height = size
        for step in self.resting if closed else ():
            if STEPS[step]:
                own.transform_param.ClearField(STEPS[step])
            else:
                del own.annotated_data_param.batch_sampler[:]
        return own
