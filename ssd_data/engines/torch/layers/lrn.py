"""LRN: local response normalisation, across channels or within one (``lrn_param``)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from ssd_data.engines.torch.layer import Elementwise
from ssd_data.proto import caffe_pb2


class LRN(Elementwise):
    """y = x / (k + alpha / n · Σ x²) ^ beta over n neighbours; within a channel n is an area,
    and k is 1."""

    single = True

    def setup(self, *bottoms: Tensor) -> None:
        """Check the size."""
        self.require_axes(bottoms[0], 4)
        if self.param.lrn_param.local_size % 2 == 0:
            raise self.error("local_size must be odd")

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The bottom's shape."""
        p, x = self.param.lrn_param, bottoms[0]
        size, half = p.local_size, p.local_size // 2
        if p.norm_region == caffe_pb2.LRNParameter.WITHIN_CHANNEL:
            mean = functional.avg_pool2d(x * x, size, 1, half)
            return x * (1 + p.alpha * mean) ** -p.beta
        squares = functional.pad((x * x).unsqueeze(1), (0, 0, 0, 0, half, half))
        mean = functional.avg_pool3d(squares, (size, 1, 1), 1).squeeze(1)
        return x * (p.k + p.alpha * mean) ** -p.beta
