"""Accuracy: how often the label is among the best classes (``accuracy_param``)."""

from __future__ import annotations

import torch
from torch import Tensor

from ssd_data.engines.torch.labels import require_one_label_each, rows_that_count
from ssd_data.engines.torch.layer import Layer


class Accuracy(Layer):
    """The share of labels among the ``top_k`` greatest scores; a second top has it by class.

    Of equal scores the higher class counts as the greater. Labels of ``ignore_label`` do not
    count; where none does, the share is NaN, as in the original.
    """

    bottoms = (2, 2)
    single = True
    no_gradient = (0, 1)

    def infer(self, *bottoms: Tensor) -> tuple[Tensor, ...]:
        """A scalar, and a value a class."""
        scores, label = bottoms
        p, axis = self.param.accuracy_param, self.axis(self.param.accuracy_param.axis, scores)
        require_one_label_each(self, scores, axis, label)
        if p.top_k > scores.shape[axis]:
            raise self.error(f"top_k is {p.top_k} of {scores.shape[axis]} classes")
        return torch.empty((), device="meta"), torch.empty(scores.shape[axis], device="meta")

    def forward(self, *bottoms: Tensor) -> tuple[Tensor, ...]:
        """The share, and the shares by class (0 for one that no label has)."""
        p, scores = self.param.accuracy_param, bottoms[0].detach()
        axis = self.axis(p.axis, scores)
        ignored = p.ignore_label if p.HasField("ignore_label") else None
        rows, labels = rows_that_count(self, scores, axis, bottoms[1], ignored)
        own = rows.gather(1, labels[:, None])
        higher = torch.arange(rows.shape[1], device=rows.device) > labels[:, None]
        before = (rows > own) | ((rows == own) & higher)
        right = (before.sum(1) < p.top_k).float()
        zeros = rows.new_zeros(rows.shape[1])
        count = zeros.index_add(0, labels, torch.ones_like(right))
        by_class = zeros.index_add(0, labels, right) / count.clamp(min=1)
        return right.mean(), by_class
