"""Gamma: all values in 0 … 1 to the power of one number.

For light that is too weak or too strong. The number is drawn evenly on a logarithmic scale, so that
darker and lighter are as likely where the range is symmetric (0.5 … 2), as ``RandomGamma`` of
albumentations does by percents.
"""

from __future__ import annotations

from typing import ClassVar

import cv2
import numpy as np

from ssd_data.batches.augment.distort import Table
from ssd_data.batches.elements._base import Colour, Context, Factor, Generator, Part, rising
from ssd_data.core.structures import Pixels


class Gamma(Colour, frozen=True):
    """A power of all values.

    Attributes:
        power: the least and the greatest.
    """

    name: ClassVar[str] = "gamma"
    rank: ClassVar[int] = 5
    prob: Part = 0.5
    power: tuple[Factor, Factor] = (0.5, 2.0)

    def __post_init__(self) -> None:
        rising(self.power, "power")

    def draw(self, generator: Generator, setting: Context, records: int) -> Table:
        """What becomes of each value, uint8 (256,)."""
        power = np.exp(generator.uniform(*np.log(self.power)))
        table: Table = np.rint(255 * (np.arange(256) / 255) ** power).astype(np.uint8)
        return table

    def paint(self, drawn: Table, pixels: Pixels) -> Pixels:
        """The picture, darker or lighter."""
        return np.asarray(cv2.LUT(pixels, drawn), np.uint8)


ELEMENT = Gamma
