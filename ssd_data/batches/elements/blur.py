"""Blur: the picture through a Gaussian of a width that is drawn.

For lenses out of focus, and small objects that were enlarged; T. Chen and others, SimCLR,
arXiv:2002.05709, appendix A (there 0.1 … 2 pixels, half of the time). OpenCV's kernel for eight
bits: six times as wide as the deviation, made odd.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import cv2
import msgspec
import numpy as np

from ssd_data.batches.elements._base import Colour, Context, Generator, Part, rising
from ssd_data.core.structures import Pixels

Deviation = Annotated[float, msgspec.Meta(ge=0.1, le=20)]


class Blur(Colour, frozen=True):
    """A Gaussian.

    Attributes:
        sigma: its standard deviation in pixels of the input, the least and the greatest.
    """

    name: ClassVar[str] = "blur"
    rank: ClassVar[int] = 7
    prob: Part = 0.1
    sigma: tuple[Deviation, Deviation] = (0.1, 2.0)

    def __post_init__(self) -> None:
        rising(self.sigma, "sigma")

    def draw(self, generator: Generator, setting: Context, records: int) -> float:
        """The standard deviation."""
        return float(generator.uniform(*self.sigma))

    def paint(self, drawn: float, pixels: Pixels) -> Pixels:
        """The picture, blurred."""
        return np.asarray(cv2.GaussianBlur(pixels, (0, 0), drawn), np.uint8)


ELEMENT = Blur
