"""What loss layers have in common: a scalar top and a normaliser (``loss_layer.cpp``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from ssd_data.engines.torch.layer import Layer
from ssd_data.proto import caffe_pb2

FULL, VALID, BATCH_SIZE, NONE = (
    caffe_pb2.LossParameter.FULL,
    caffe_pb2.LossParameter.VALID,
    caffe_pb2.LossParameter.BATCH_SIZE,
    caffe_pb2.LossParameter.NONE,
)


class LossLayer(Layer):
    """A layer whose first top is a loss.

    Attributes:
        total: adds a count up over all processes that share a batch; by default there is one.
    """

    bottoms = (2, 2)
    is_loss = True
    no_gradient: ClassVar[tuple[int, ...]] = (1,)
    usual_normalization: ClassVar[int] = VALID
    total: Callable[[Tensor], Tensor] = staticmethod(lambda count: count)

    @property
    def normalization(self) -> int:
        """``loss_param``'s mode; the older ``normalize`` where that alone is given."""
        p = self.param.loss_param
        if p.HasField("normalization"):
            return p.normalization
        if p.HasField("normalize"):
            return VALID if p.normalize else BATCH_SIZE
        return self.usual_normalization

    def normalizer(self, outer: int, inner: int, valid: Tensor) -> Tensor:
        """What a sum of losses is divided by; at least 1, so that nothing gives 0 and not NaN.

        Args:
            outer, inner: their product is the number of predictions, ``outer`` that of pictures.
            valid: how many of them counted.
        """
        if self.normalization == NONE:
            return torch.ones((), device=valid.device)
        if self.normalization != VALID:
            count = outer * (inner if self.normalization == FULL else 1)
            valid = torch.tensor(count, device=valid.device)
        return self.total(valid.float()).clamp(min=1)

    def check_first_axes(self, *bottoms: Tensor) -> None:
        """The predictions and what they should be belong to as many pictures."""
        first, second = (b.shape[0] if b.dim() else 1 for b in bottoms[:2])
        if first != second:
            raise self.error(f"has {first} predictions and {second} labels")

    def check_labels(self, labels: Tensor, classes: int) -> None:
        """All labels (int64, any shape) lie in [0, classes).

        Raises:
            LayerError: one does not, and would read another's memory in the original.
        """
        if labels.numel():
            low, high = (int(n) for n in torch.stack(labels.aminmax()).tolist())
            if low < 0 or high >= classes:
                wrong = low if low < 0 else high
                raise self.error(
                    f"label {wrong} is not in [0, {classes})",
                    hint="The net has fewer classes than the data's labels",
                )
