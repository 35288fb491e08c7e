"""One picture's way with elements, from pictures that are given."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from google.protobuf import text_format

from ssd_data.batches.augment import DataTransformer
from ssd_data.batches.augment.rows import Rows
from ssd_data.batches.composer import Composer, Happening, needed
from ssd_data.batches.elements._base import Context, Element, Piece
from ssd_data.batches.plan import FeedPlan
from ssd_data.batches.streams import generator_at
from ssd_data.proto import caffe_pb2

PLAIN = "mirror: true resize_param { width: 120 height: 90 interp_mode: NEAREST }"


def transform(text: str = PLAIN) -> caffe_pb2.TransformationParameter:
    return text_format.Parse(text, caffe_pb2.TransformationParameter())


class Table:
    """Pictures by number, and what elements make of them; values are pixels, untouched by means.

    Args:
        give: of a number its pixels and rows.
    """

    def __init__(
        self,
        give: Callable[[int], tuple[np.ndarray, Rows]],
        count: int,
        elements: Sequence[Element],
        text: str = PLAIN,
        seed: int = 0,
    ) -> None:
        self.give, self.count, self.seed = give, count, seed
        param = transform(text)
        self.setting = Context(param, exact=False)
        self.transformer = DataTransformer(param, jpeg_roundtrip=False)
        self.composer = Composer(FeedPlan(elements=tuple(elements)), seed)

    def drawn(self, position: int) -> list[Happening]:
        return self.composer.draw(position, self.setting, self.count)

    def numbers(self, position: int) -> list[int]:
        """Of the picture itself and of the others."""
        offsets = [0, *needed(self.drawn(position))]
        return [(position + offset) % self.count for offset in offsets]

    def __call__(self, position: int) -> tuple[np.ndarray, Rows]:
        """uint8 (h, w, 3) and rows."""
        own, *others = (Piece(*self.give(number)) for number in self.numbers(position))
        for piece in (own, *others):
            piece.pixels.setflags(write=False)
            piece.rows.setflags(write=False)
        values, rows = self.composer(
            self.drawn(position),
            own,
            others,
            self.transformer,
            self.setting,
            generator_at(self.seed, position),
        )
        return values.transpose(1, 2, 0).astype(np.uint8), rows
