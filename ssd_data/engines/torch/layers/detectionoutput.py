"""DetectionOutput: locations and confidences to detections (``detection_output_param``)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ssd_data.engines.torch.blob import Array, to_numpy
from ssd_data.engines.torch.boxes import Coding, Priors
from ssd_data.engines.torch.layer import Layer
from ssd_data.engines.torch.nms import suppress
from ssd_data.nets.detection import ALL


class DetectionOutput(Layer):
    """Bottoms: locations (batch, 4 · boxes · classes or 4 · boxes), confidences (batch,
    boxes · classes), priors (1, 2, 4 · boxes); a fourth, pictures to ``visualize``, is not read.

    Rows of the top: picture, label, score, xmin, ymin, xmax, ymax (fractions, not clipped), by
    picture, label, falling score. With nothing found in the whole batch one row a picture, all -1.

    Attributes:
        saver: is given the rows (N, 7) and the number of pictures; a test sets it where
            ``save_output_param`` asks for files.
    """

    bottoms = (3, 4)
    no_gradient = (0, 1, 2, 3)
    saver: Callable[[Array, int], None] | None = None

    def setup(self, *bottoms: Tensor) -> None:
        """Check the counts of classes and boxes."""
        p = self.p = self.param.detection_output_param
        if p.num_classes < 1:
            raise self.error("detection_output_param has no num_classes")
        nms = p.nms_param
        if not nms.nms_threshold >= 0 or not 0 < nms.eta <= 1:
            raise self.error("nms_threshold must not be negative, eta lie in (0, 1]")
        self.coding = Coding(p.code_type, p.variance_encoded_in_target)
        self.locations = 1 if p.share_location else p.num_classes
        self._check(*bottoms[:3])

    def _check(self, locations: Tensor, confidences: Tensor, priors: Tensor) -> None:
        count = priors.numel() // 8
        if priors.dim() < 3 or priors.shape[:2] != (1, 2) or priors.numel() != 8 * count:
            raise self.error(f"priors have shape {tuple(priors.shape)}, not 1 x 2 x (priors * 4)")
        if min(locations.dim(), confidences.dim()) < 2:
            raise self.error("locations and confidences have an axis of pictures, and more")
        wanted = (4 * count * self.locations, count * self.p.num_classes)
        has = (locations.flatten(1).shape[1], confidences.flatten(1).shape[1])
        if has != wanted:
            raise self.error(
                f"{count} priors and {self.p.num_classes} classes want {wanted[0]} locations and "
                f"{wanted[1]} confidences, not {has[0]} and {has[1]}",
                "Is num_classes right, background included?",
            )

    def forward(self, *bottoms: Tensor) -> Tensor:
        """(1, 1, detections, 7)."""
        if bottoms[0].is_meta:
            return bottoms[0].new_empty((1, 1, 1, 7))
        self._check(*bottoms[:3])
        rows = self._rows(bottoms[0], bottoms[1], bottoms[2])
        if not len(rows):
            rows = rows.new_full((len(bottoms[0]), 7), -1)
            rows[:, 0] = torch.arange(len(rows))
        if self.saver is not None:
            self.saver(to_numpy(rows), len(bottoms[0]))
        return rows[None, None]

    def _rows(self, locations: Tensor, confidences: Tensor, priors: Tensor) -> Tensor:
        p = self.p
        scores = confidences.reshape(len(confidences), -1, p.num_classes).transpose(1, 2)
        found = scores > (p.confidence_threshold if p.HasField("confidence_threshold") else ALL)
        if 0 <= p.background_label_id < p.num_classes:
            found[:, p.background_label_id] = False
        place = torch.nonzero(found)  # rows of picture, label, prior
        place = place[self._best(place, scores[place.unbind(1)])]
        picture, label, prior = place.unbind(1)
        boxes = self._decode(locations, priors, picture, label, prior)
        score = scores[picture, label, prior]
        rows = torch.cat([place[:, :2], score[:, None], boxes], 1)
        rows = rows[self._suppress(boxes, picture * p.num_classes + label)]
        return _cut(rows, p.keep_top_k)

    def _best(self, place: Tensor, score: Tensor) -> Tensor:
        """Indices of each picture's and label's ``top_k`` best, by falling score."""
        group = place[:, 0] * self.p.num_classes + place[:, 1]
        order = torch.argsort(score, descending=True, stable=True)
        order = order[torch.argsort(group[order], stable=True)]
        nms = self.p.nms_param
        if nms.HasField("top_k") and nms.top_k >= 0:
            order = order[_ranks(group[order]) < nms.top_k]
        return order

    def _decode(
        self, locations: Tensor, priors: Tensor, picture: Tensor, label: Tensor, prior: Tensor
    ) -> Tensor:
        by_place = locations.reshape(len(locations), -1, self.locations, 4)
        chosen = by_place[picture, prior, label if self.locations > 1 else 0]
        return self.coding.decode(chosen, Priors(*priors.reshape(2, -1, 4)).rows(prior))

    def _suppress(self, boxes: Tensor, group: Tensor) -> Tensor:
        """Non-maximum suppression within each group, the groups side by side."""
        if not len(boxes):
            return torch.zeros(0, dtype=torch.bool, device=boxes.device)
        _, inverse = torch.unique_consecutive(group, return_inverse=True)
        place = _ranks(group)
        shape = (int(inverse[-1]) + 1, int(place.max()) + 1)
        table = boxes.new_zeros((*shape, 4))
        table[inverse, place] = boxes
        valid = torch.zeros(shape, dtype=torch.bool, device=boxes.device)
        valid[inverse, place] = True
        nms = self.p.nms_param
        stays = suppress(table, valid, nms.nms_threshold, eta=nms.eta, most=self.p.keep_top_k)
        return stays[inverse, place]


def _cut(rows: Tensor, most: int) -> Tensor:
    """The ``most`` best rows of each picture, in the rows' order; -1 keeps all."""
    if most < 0 or not len(rows):
        return rows
    order = torch.argsort(rows[:, 2], descending=True, stable=True)
    order = order[torch.argsort(rows[order, 0], stable=True)]
    best = order[_ranks(rows[order, 0]) < most]
    return rows[torch.sort(best).values]


def _ranks(group: Tensor) -> Tensor:
    """Each element's place within its run of equal values."""
    _, counts = torch.unique_consecutive(group, return_counts=True)
    starts = torch.cumsum(counts, 0) - counts
    return torch.arange(len(group), device=group.device) - torch.repeat_interleave(starts, counts)
