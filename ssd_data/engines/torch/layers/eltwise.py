"""Eltwise: product, weighted sum or largest of several bottoms (``eltwise_param``)."""

from __future__ import annotations

from torch import Tensor, where

from ssd_data.engines.torch.layer import Elementwise
from ssd_data.proto import caffe_pb2

_E = caffe_pb2.EltwiseParameter


class Eltwise(Elementwise):
    """Of equal bottoms the last one gets the gradient of the largest, as in Caffe."""

    bottoms = (2, 1000)

    def setup(self, *bottoms: Tensor) -> None:
        """Check the coefficients."""
        p = self.param.eltwise_param
        if p.coeff and (p.operation != _E.SUM or len(p.coeff) != len(bottoms)):
            raise self.error(f"has {len(p.coeff)} coeff for {len(bottoms)} bottoms; SUM takes them")
        self.operation, self.coefficients = p.operation, list(p.coeff) or [1.0] * len(bottoms)

    def outline(self, *bottoms: Tensor) -> Tensor:
        """The bottoms' shape."""
        if len({tuple(b.shape) for b in bottoms}) > 1:
            shapes = ", ".join("x".join(map(str, b.shape)) for b in bottoms)
            raise self.error(f"has bottoms of different shapes: {shapes}")
        return bottoms[0]

    def forward(self, *bottoms: Tensor) -> Tensor:
        """The bottoms' shape."""
        coefficients = self.coefficients
        y = bottoms[0] * coefficients[0] if coefficients[0] != 1 else bottoms[0]
        for x, coefficient in zip(bottoms[1:], coefficients[1:], strict=True):
            if self.operation == _E.PROD:
                y = y * x
            elif self.operation == _E.MAX:
                y = where(y > x, y, x)
            else:
                y = y + (x * coefficient if coefficient != 1 else x)
        return y
