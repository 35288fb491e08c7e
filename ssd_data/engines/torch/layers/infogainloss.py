"""InfogainLoss, as the SSD branch has it: of probabilities (``infogain_loss_param``)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from ssd_data.core.files.messages import parse_message
from ssd_data.core.files.paths import read_bytes
from ssd_data.engines.torch.labels import require_labels
from ssd_data.engines.torch.loss import LossLayer, with_value
from ssd_data.nets.caffemodel import to_array
from ssd_data.proto import caffe_pb2

LEAST = 1e-20  # of a probability
MOST_BYTES = 64 << 20  # of a file with the matrix


class InfogainLoss(LossLayer):
    """-Σ H[label, class] · log(probability of class), by the number of pictures.

    Bottoms: probabilities (batch, classes), labels, and H (classes, classes) unless ``source`` is
    a file of it. (BVLC's later Caffe takes scores, and has a Softmax of its own.)
    """

    bottoms = (2, 3)
    no_gradient: ClassVar[tuple[int, ...]] = (1, 2)

    def setup(self, *bottoms: Tensor) -> None:
        """Read the matrix."""
        source = self.param.infogain_loss_param.source
        self.matrix: Tensor | None = None
        if len(bottoms) < 3:
            if not source:
                raise self.error("has neither a third bottom nor a source with its matrix")
            data = read_bytes(source, "matrix", MOST_BYTES)
            blob = parse_message(data, caffe_pb2.BlobProto, "matrix", source)
            self.matrix = torch.from_numpy(to_array(blob, source).copy())

    def check_shapes(self, *bottoms: Tensor) -> None:
        """One label a picture, and a matrix of the classes."""
        self.require_pictures(bottoms[0])
        classes = bottoms[0].shape[1:].numel()
        matrix = self.matrix if self.matrix is not None else bottoms[2]
        if bottoms[1].numel() != len(bottoms[0]):
            raise self.error(f"has {bottoms[1].numel()} labels for {len(bottoms[0])} pictures")
        if matrix.numel() != classes**2:
            raise self.error(f"its matrix of {matrix.numel()} values is not {classes}x{classes}")

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The loss, a scalar."""
        scores, label = bottoms[0].flatten(1), bottoms[1].detach().flatten().long()
        classes = scores.shape[1]
        require_labels(self, label, classes)
        matrix = self.matrix if self.matrix is not None else bottoms[2].detach()
        gain = matrix.to(scores.device).reshape(classes, classes)[label]
        known = scores.detach().clamp(min=LEAST)
        losses = with_value(-gain * known.log(), -gain / known * scores)
        return losses.sum() / self.pictures(bottoms[0])
