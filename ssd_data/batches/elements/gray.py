"""Gray: the picture without its colours.

``gray_prob`` of ``PhotoMetricDistortion`` in insightface's SCRFD
(``detection/scrfd/mmdet/datasets/pipelines/transforms.py``); T. Chen and others, SimCLR,
arXiv:2002.05709, appendix A, does it to a fifth.
"""

from __future__ import annotations

from typing import ClassVar

import cv2
import numpy as np

from ssd_data.batches.elements._base import Colour, Context, Generator, Part
from ssd_data.core.structures import Pixels


class Gray(Colour, frozen=True):
    """All three channels get the brightness."""

    name: ClassVar[str] = "gray"
    rank: ClassVar[int] = 6
    prob: Part = 0.1

    def draw(self, generator: Generator, setting: Context, records: int) -> None:
        """Nothing."""

    def paint(self, drawn: None, pixels: Pixels) -> Pixels:
        """The picture in gray, with as many channels."""
        if pixels.ndim == 2:
            return pixels
        gray = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
        return np.asarray(cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR), np.uint8)


ELEMENT = Gray
