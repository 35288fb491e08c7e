"""What loss layers have in common: a scalar top, a normaliser (``loss_layer.cpp``), arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from ssd_data.engines.torch.layer import Layer
from ssd_data.proto import caffe_pb2

FULL, VALID, BATCH_SIZE, NONE = (
    caffe_pb2.LossParameter.FULL,
    caffe_pb2.LossParameter.VALID,
    caffe_pb2.LossParameter.BATCH_SIZE,
    caffe_pb2.LossParameter.NONE,
)
# The floor of probabilities. On the CPU also while a net is laid out on the meta device.
GREATEST = -torch.log(torch.tensor(torch.finfo(torch.float32).tiny, device="cpu")).item()


class LossLayer(Layer):
    """A layer whose first top is a loss.

    Attributes:
        all_reduce: adds a count up over all processes that share a batch; by default there is one.
    """

    bottoms = (2, 2)
    is_loss = True
    single = True
    no_gradient: ClassVar[tuple[int, ...]] = (1,)
    usual_normalization: ClassVar[int] = VALID
    all_reduce: Callable[[Tensor], Tensor] = staticmethod(lambda count: count)

    def complete(self, param: caffe_pb2.LayerParameter) -> None:
        """Its first top has a weight of 1."""
        if not param.loss_weight:
            param.loss_weight.append(1)

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
        return self.all_reduce(valid.float()).clamp(min=1)

    def pictures(self, bottom: Tensor) -> Tensor:
        """How many pictures the loss is the mean of, those of other processes included."""
        return self.all_reduce(torch.tensor(float(pictures(bottom)), device=bottom.device))

    @property
    def ignored(self) -> int | None:
        """``ignore_label``, None where none is given."""
        p = self.param.loss_param
        return p.ignore_label if p.HasField("ignore_label") else None

    def infer(self, *bottoms: Tensor) -> tuple[Tensor, ...]:
        """A scalar.

        Raises:
            LayerError: the bottoms' shapes do not fit one another.
        """
        first, second = map(pictures, bottoms[:2])
        if first != second:
            raise self.error(f"has {first} predictions and {second} labels")
        if not first:
            raise self.error("has no predictions: the batch is empty")
        self.check_shapes(*bottoms)
        return (torch.empty((), device="meta"),)

    def check_shapes(self, *bottoms: Tensor) -> None:
        """As many values in each bottom; a layer whose bottoms differ has a check of its own."""
        for bottom in bottoms[1:]:
            if bottom.numel() != bottoms[0].numel():
                shapes = " and ".join(str(tuple(b.shape)) for b in (bottoms[0], bottom))
                raise self.error(f"has bottoms of shape {shapes}")


def pictures(bottom: Tensor) -> int:
    """The size of the first axis; 1 where there is none."""
    return bottom.shape[0] if bottom.dim() else 1


# ---- arithmetic, of layers that stand alone and of MultiBoxLoss ----


def with_value(value: Tensor, path: Tensor) -> Tensor:
    """One tensor's value with another one's gradient."""
    return value.detach() + (path - path.detach())


def softmax_losses(scores: Tensor, labels: Tensor) -> Tensor:
    """-log softmax of each row's label, at most -log FLT_MIN; the gradient is not cut.

    Args:
        scores: float32 (K, C).
        labels: int64 (K,).

    Returns:
        float32 (K,).
    """
    losses = functional.cross_entropy(scores, labels, reduction="none")
    return with_value(losses.clamp(max=GREATEST), losses)


def focal_losses(scores: Tensor, labels: Tensor, alpha: float, gamma: float) -> Tensor:
    """-alpha · (1 - p) ^ gamma · log p of each row's label, p its softmax (T.-Y. Lin et al., Focal
    Loss for Dense Object Detection); see :func:`softmax_losses`."""
    losses = functional.cross_entropy(scores, labels, reduction="none")
    rest = -torch.expm1(-losses)  # 1 - p, exact also where p is near 1
    weight = alpha * rest**gamma
    return with_value(weight * losses.clamp(max=GREATEST), weight * losses)


def sigmoid_losses(scores: Tensor, targets: Tensor) -> Tensor:
    """Cross entropy of each score's sigmoid, in a form that does not overflow; scores' shape."""
    return functional.binary_cross_entropy_with_logits(scores, targets, reduction="none")


def smooth_l1(difference: Tensor) -> Tensor:
    """0.5 d² where |d| < 1, else |d| - 0.5."""
    return functional.smooth_l1_loss(difference, torch.zeros_like(difference), reduction="none")


def half_square(difference: Tensor) -> Tensor:
    """0.5 d²."""
    return 0.5 * difference * difference
