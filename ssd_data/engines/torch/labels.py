"""Scores of classes along an axis, and the labels that belong to them."""

from __future__ import annotations

import torch
from torch import Tensor

from ssd_data.engines.torch.layer import Layer


def require_labels(layer: Layer, labels: Tensor, classes: int) -> None:
    """All labels (int64, any shape) lie in [0, classes).

    Raises:
        LayerError: one does not; the original would read another's memory.
    """
    if labels.numel():
        low, high = (int(n) for n in torch.stack(labels.aminmax()).tolist())
        if low < 0 or high >= classes:
            wrong = low if low < 0 else high
            raise layer.error(
                f"label {wrong} is not in [0, {classes})",
                hint="The net has fewer classes than the data's labels",
            )


def require_one_label_each(layer: Layer, scores: Tensor, axis: int, label: Tensor) -> None:
    """There are as many labels as predictions.

    Raises:
        LayerError: there are not.
    """
    classes = scores.shape[axis]
    if label.numel() * classes != scores.numel():
        raise layer.error(
            f"has {label.numel()} labels for {tuple(scores.shape)} scores, classes on axis {axis}"
        )


def rows_that_count(
    layer: Layer, scores: Tensor, axis: int, label: Tensor, ignored: int | None
) -> tuple[Tensor, Tensor]:
    """Scores (K, classes) and labels (K,) without those whose label is ``ignored``.

    Args:
        scores: any shape, with the classes along ``axis``.
        label: of each place outside that axis, in order.

    Raises:
        LayerError: one of the other labels is no class.
    """
    rows = scores.movedim(axis, -1).reshape(-1, scores.shape[axis])
    labels = label.detach().reshape(-1).long()
    if ignored is not None:
        kept = labels != ignored
        rows, labels = rows[kept], labels[kept]
    require_labels(layer, labels, rows.shape[1])
    return rows, labels
