"""Compress: the picture goes through a JPEG of a quality that is drawn.

D. Hendrycks and T. Dietterich, arXiv:1903.12261, count JPEG among the corruptions that nets stumble
over (there qualities of 7 to 25). The layer's own round trips (``--no-jpeg-roundtrip``) have
quality 95 always.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ssd_data.batches.augment.canvas import round_trip
from ssd_data.batches.elements._base import Colour, Context, Generator, Part, rising
from ssd_data.core.structures import Pixels

Quality = Annotated[int, msgspec.Meta(ge=1, le=100)]


class Compress(Colour, frozen=True):
    """A JPEG.

    Attributes:
        quality: OpenCV's, the least and the greatest.
    """

    name: ClassVar[str] = "compress"
    rank: ClassVar[int] = 8
    prob: Part = 0.2
    quality: tuple[Quality, Quality] = (30, 95)

    def __post_init__(self) -> None:
        rising(self.quality, "quality")

    def draw(self, generator: Generator, setting: Context, records: int) -> int:
        """The quality."""
        return int(generator.integers(self.quality[0], self.quality[1] + 1))

    def paint(self, drawn: int, pixels: Pixels) -> Pixels:
        """The picture, with a JPEG's errors."""
        return round_trip(pixels, drawn)


ELEMENT = Compress
