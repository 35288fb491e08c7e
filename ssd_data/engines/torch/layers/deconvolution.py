"""Deconvolution: a convolution's transpose (``convolution_param``)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from ssd_data.engines.torch.layers.convolution import Convolution
from ssd_data.nets.sizes import deconvolved


class Deconvolution(Convolution):
    """Weight (inputs, outputs / group, kernel height, width), then bias."""

    def _side(self, length: int, axis: int) -> int:
        of_axis = (side[axis] for side in (self.kernel, self.stride, self.pad, self.dilation))
        return deconvolved(length, *of_axis)

    def forward(self, *bottoms: Tensor) -> Tensor:
        """(batch, outputs, height, width)."""
        weight, bias = (*self.weights, None)[:2]
        assert weight is not None
        return functional.conv_transpose2d(
            bottoms[0], weight, bias, self.stride, self.pad, 0, self.group, self.dilation
        )

    def _weight_axes(self, channels: int, outputs: int) -> tuple[int, int]:
        return channels, outputs // self.group
