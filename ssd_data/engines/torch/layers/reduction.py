"""Reduction (``reduction_param``)."""

from __future__ import annotations

from torch import Tensor

from ssd_data.engines.torch.layer import Layer
from ssd_data.proto import caffe_pb2

_R = caffe_pb2.ReductionParameter


class Reduction(Layer):
    """Sum, sum of absolute values or of squares, or mean, times ``coeff``, over all axes from
    ``axis`` on."""

    single = True

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The axes before ``axis``."""
        p = self.param.reduction_param
        start = self.axis(p.axis, bottoms[0])
        x = bottoms[0].flatten(start)
        if p.operation == _R.ASUM:
            x = x.abs()
        elif p.operation == _R.SUMSQ:
            x = x * x
        y = x.mean(start) if p.operation == _R.MEAN else x.sum(start)
        return y if p.coeff == 1 else y * p.coeff
