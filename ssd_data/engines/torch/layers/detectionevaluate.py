"""DetectionEvaluate: which detections are true (``detection_evaluate_param``)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ssd_data.core.errors import InputError
from ssd_data.core.files.remote.address import as_path
from ssd_data.data.lmdb.companions import read_name_sizes
from ssd_data.engines.torch.blob import to_numpy
from ssd_data.engines.torch.layer import Layer
from ssd_data.metrics.detection_evaluate import evaluate
from ssd_data.proto import caffe_pb2


class DetectionEvaluate(Layer):
    """Bottoms: detections (1, 1, N, 7) and truth (1, 1, M, 8), as DetectionOutput and AnnotatedData
    give them. Rows of the top: see :func:`ssd_data.metrics.detection_evaluate.evaluate`.

    With a ``name_size_file`` the n-th picture of all batches has the n-th size, and after the last
    one the first.
    """

    bottoms = (2, 2)
    no_gradient = (0, 1)

    def setup(self, *bottoms: Tensor) -> None:
        """Check the parameters and read the sizes."""
        p = self.p = self.param.detection_evaluate_param
        if p.num_classes < 1:
            raise self.error("detection_evaluate_param has no num_classes")
        for bottom, columns in zip(bottoms, (7, 8), strict=True):
            self.require_axes(bottom, 4)
            if bottom.shape[-1] != columns:
                raise self.error(f"takes rows of {columns} values, not of {bottom.shape[-1]}")
        if p.resize_param.resize_mode != caffe_pb2.ResizeParameter.WARP:
            raise self.error("only a resize_param of mode WARP is supported here")
        self.sizes: npt.NDArray[np.int64] | None = None
        self.position = 0
        if p.HasField("name_size_file"):
            listed = read_name_sizes(as_path(p.name_size_file))
            if not listed:
                raise InputError("the file is empty", where=p.name_size_file)
            self.sizes = np.array([(height, width) for _, (width, height) in listed], np.int64)

    def forward(self, *bottoms: Tensor) -> Tensor:
        """(1, 1, rows, 5)."""
        p = self.p
        if bottoms[0].is_meta:
            return bottoms[0].new_empty((1, 1, p.num_classes + bottoms[0].shape[2], 5))
        detections, truths = (to_numpy(b).reshape(-1, b.shape[-1]) for b in bottoms)
        rows = evaluate(
            detections,
            truths,
            p.num_classes,
            p.background_label_id,
            p.overlap_threshold,
            p.evaluate_difficult_gt,
            self._next_sizes(detections),
        )
        return torch.from_numpy(rows)[None, None].to(bottoms[0].device)

    def _next_sizes(self, detections: npt.NDArray[np.float32]) -> npt.NDArray[np.int64] | None:
        if self.sizes is None:
            return None
        pictures = len(np.unique(detections[detections[:, 0] >= 0, 0]))
        which = (self.position + np.arange(pictures)) % len(self.sizes)
        self.position = (self.position + pictures) % len(self.sizes)
        return self.sizes[which]
