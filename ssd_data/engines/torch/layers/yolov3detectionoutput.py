"""Yolov3DetectionOutput, of eric612's fork (``yolov3_detection_output_param``)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ssd_data.engines.torch.blob import to_numpy
from ssd_data.engines.torch.layer import Layer
from ssd_data.nets.yolo import check_maps, yolo_output, yolo_settings


class Yolov3DetectionOutput(Layer):
    """Bottoms: for each scale (batch, boxes · (5 + classes), height, width): middle, sides,
    certainty and classes of each box.

    Rows of the top as DetectionOutput's; labels begin at 1, as if there were a background. See
    :mod:`ssd_data.nets.yolo`.
    """

    bottoms = (1, 16)
    no_gradient = tuple(range(16))

    def setup(self, *bottoms: Tensor) -> None:
        """Check the settings and the maps."""
        self.settings = yolo_settings(self.node)
        check_maps(self.node, self.settings, [b.shape for b in bottoms])

    def forward(self, *bottoms: Tensor) -> Tensor:
        """(1, 1, detections, 7)."""
        if bottoms[0].is_meta:
            return bottoms[0].new_empty((1, 1, 1, 7))
        check_maps(self.node, self.settings, [b.shape for b in bottoms])
        rows = yolo_output([to_numpy(b) for b in bottoms], self.settings)
        if not len(rows):
            rows = np.full((len(bottoms[0]), 7), -1, np.float32)
            rows[:, 0] = np.arange(len(rows))
        return torch.from_numpy(rows)[None, None].to(bottoms[0].device)
