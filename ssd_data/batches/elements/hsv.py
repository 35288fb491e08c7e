"""HSV: hue, saturation and value, each times a factor of its own.

As YOLOX has it (Z. Ge and others, arXiv:2107.08430; ``augment_hsv`` in
``yolox/data/data_augment.py``): factors of 1 ± the gain; hue goes round at 180, saturation and
value are cut at 255. Products are cut to whole numbers, as there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np

from ssd_data.batches.augment.distort import Table
from ssd_data.batches.elements._base import Colour, Context, Generator, Part
from ssd_data.core.structures import Pixels

HUES = 180


@dataclass(frozen=True, slots=True, eq=False)
class Gains:
    """What was drawn: of hue, saturation, value a table each, uint8 (256,)."""

    tables: tuple[Table, Table, Table]


class Hsv(Colour, frozen=True):
    """Factors of hue, saturation and value.

    Attributes:
        hue, saturation, value: how far the factor may be from 1.
    """

    name: ClassVar[str] = "hsv"
    rank: ClassVar[int] = 4
    hue: Part = 0.015
    saturation: Part = 0.7
    value: Part = 0.4

    def draw(self, generator: Generator, setting: Context, records: int) -> Gains:
        """The three factors."""
        gains = np.array((self.hue, self.saturation, self.value))
        factors = generator.uniform(-1, 1, 3) * gains + 1
        values = np.arange(256)
        hue = (values * factors[0] % HUES).astype(np.uint8)
        others = [(values * f).clip(0, 255).astype(np.uint8) for f in factors[1:]]
        return Gains((hue, others[0], others[1]))

    def paint(self, drawn: Gains, pixels: Pixels) -> Pixels:
        """The picture; of a gray one the value alone changes."""
        if pixels.ndim == 2:
            return np.asarray(cv2.LUT(pixels, drawn.tables[2]), np.uint8)
        hsv = cv2.cvtColor(pixels, cv2.COLOR_BGR2HSV)
        hsv = cv2.LUT(hsv, np.stack(drawn.tables, 1)[None])
        return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR), np.uint8)


ELEMENT = Hsv
